/** What an auditor asks about one record: where it stands, its receipt, and whether that holds. */
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { Verification } from 'holdfast-client'
import { HoldfastError } from '../../core/errors.ts'
import { parseHash, toHex } from '../../core/hash.ts'
import type { Logger } from '../../core/ports.ts'
import { describeUnsearched, type ReceiptOutcome, type Unknown } from '../../prove/prover.ts'
import { withoutReceipt } from '../../verify/without-receipt.ts'
import type { Auth } from '../auth.ts'
import { clientOf } from '../client-of.ts'
import type { HttpDeps } from '../deps.ts'
import { jsonBytes } from '../records/content-types.ts'
import { parseHashList, parseQuestion } from '../records/parse-items.ts'
import { createSlots } from '../slots.ts'
import type { Turns } from '../turns.ts'
import { RECEIPT_SCHEMA, RECEIPTS_SCHEMA, RECORD_SCHEMA, VERIFY_SCHEMA } from './schema.ts'

const MAX_RECEIPTS = 1_000
/** Each asks the database again and again for as long as its reader reads. */
const READERS_AT_ONCE = 16
/** Look-ups of single records that may wait for the database at once. */
const LOOK_UPS_AT_ONCE = 1_024
/** Verifying asks RPC endpoints on the caller's behalf, so few at a time. */
const VERIFIES_AT_ONCE = 16
const PENDING_RETRY_SECONDS = 5

type HashParams = { Params: { hash: string } }

type Deps = HttpDeps & { auth: Auth; turns: Turns }

export function registerReceipts(app: FastifyInstance, deps: Deps): void {
  const guard = deps.settings.publicReceipts ? {} : { onRequest: deps.auth.require('audit') }
  registerLookUps(app, deps, guard)
  registerMany(app, deps, guard)
  registerVerify(app, deps, guard)
}

type Guard = { onRequest?: ReturnType<Auth['require']> }

function registerLookUps(app: FastifyInstance, { prover }: Deps, guard: Guard): void {
  const slots = createSlots(LOOK_UPS_AT_ONCE, 'Too many records are being looked up at once; ask again.')

  app.get<HashParams>('/v1/records/:hash', { ...guard, schema: RECORD_SCHEMA }, async (request) => {
    const hash = parseHash(request.params.hash)
    const found = await slots.run(clientOf(request), () => prover.record(hash))
    if ('kind' in found) throw unknownRecord(hash, found)
    return found
  })

  const options = { ...guard, schema: RECEIPT_SCHEMA }
  app.get<HashParams>('/v1/records/:hash/receipt', options, async (request, reply) => {
    const hash = parseHash(request.params.hash)
    const found = await slots.run(clientOf(request), () => prover.receipt(hash))
    if (found.kind === 'unknown') throw unknownRecord(hash, found)
    if (found.kind === 'receipt') return found.receipt
    reply.code(202).header('retry-after', PENDING_RETRY_SECONDS)
    return { hash: toHex(hash), status: found.status, anchorBy: found.anchorBy }
  })
}

function registerMany(app: FastifyInstance, { prover, turns, logger }: Deps, guard: Guard): void {
  const slots = createSlots(READERS_AT_ONCE, 'Too many receipts are being read at once; ask again.')

  app.post('/v1/receipts', { ...guard, schema: RECEIPTS_SCHEMA }, async (request, reply) => {
    await turns.take()
    const hashes = parseHashList(jsonBytes(request.body), MAX_RECEIPTS)
    const leave = slots.take(clientOf(request))
    const answers = prover.receipts(hashes)
    try {
      // The first answer before the status line, so that a database that is away is a 503 and not a broken stream.
      const first = await answers.next()
      const lines = Readable.from(linesOf(first, answers, logger), { objectMode: false })
      lines.once('close', leave)
      reply.header('content-type', 'application/x-ndjson; charset=utf-8')
      return reply.send(lines)
    } catch (error) {
      leave()
      throw error
    }
  })
}

function registerVerify(app: FastifyInstance, { prover, turns, verify, settings }: Deps, guard: Guard): void {
  const slots = createSlots(VERIFIES_AT_ONCE, 'Too many receipts are being verified at once; ask again.')

  app.post('/v1/verify', { ...guard, schema: VERIFY_SCHEMA }, async (request) => {
    await turns.take()
    const question = parseQuestion(jsonBytes(request.body), settings.recordLimitBytes)
    return slots.run(clientOf(request), async () => {
      if ('receipt' in question) return verify(question.receipt)
      const { hash } = question
      const found = await prover.receipt(hash)
      return found.kind === 'receipt' ? verify(found.receipt) : notProven(hash, found)
    })
  })
}

function unknownRecord(hash: Buffer, { unsearched }: Unknown): HoldfastError {
  return new HoldfastError('UNKNOWN_RECORD', `No record with hash ${toHex(hash)} ${whereSought(unsearched)}`)
}

function whereSought(unsearched: Unknown['unsearched']): string {
  return unsearched === null ? 'is known here.' : `is sealed here, but ${describeUnsearched(unsearched)}`
}

/** A line an answer. The status is sent by now: an error can only break the body off, so that the reader notices. */
async function* linesOf<T>(
  first: IteratorResult<T>,
  rest: AsyncIterator<T>,
  logger: Logger,
): AsyncGenerator<Buffer> {
  try {
    for (let next = first; !next.done; next = await rest.next()) {
      yield Buffer.from(`${JSON.stringify(next.value)}\n`)
    }
  } catch (error) {
    logger.warn({ err: error }, 'receipts broken off in the middle')
    throw error
  }
}

/** The verdict on a hash that has no receipt. */
function notProven(
  hash: Buffer,
  found: Exclude<ReceiptOutcome, { kind: 'receipt' }> | Unknown,
): Verification {
  if (found.kind === 'unknown') {
    return withoutReceipt(toHex(hash), null, `No record with this hash ${whereSought(found.unsearched)}`)
  }
  const by = found.anchorBy === null ? '' : `; it will be by ${found.anchorBy}`
  const detail = `The record is ${found.status} and not on a chain yet${by}.`
  return withoutReceipt(toHex(hash), found.status, detail)
}
