/** Questions of an auditor: where a record stands, and its receipt. Every answer is checked to be for the hash asked. */
import { HoldfastError } from '../errors.ts'
import { type Hex, MAX_RECEIPT_LENGTH, type Receipt } from '../format.ts'
import { type HashInput, hashOf } from '../hex.ts'
import { parseReceipt } from '../verify/parse-receipt.ts'
import { objectOf, requireHash, shown } from './answers.ts'
import type { Send } from './request.ts'
import { type Limit, until } from './time.ts'

/** Where a record stands. `accepted`: stored, and not in a batch yet. */
export type RecordStatus = 'accepted' | 'sealed' | 'anchoring' | 'anchored' | 'finalized'

export type RecordState = {
  hash: Hex
  status: RecordStatus
  receivedAt: string
  source: string
  /** Null while the status is `accepted`. */
  batch: { id: string; leafIndex: number } | null
  anchors: {
    id: string
    chainId: `eip155:${string}`
    root: Hex
    state: 'prepared' | 'submitted' | 'mined' | 'finalized'
    transactionHash: Hex | null
    blockNumber: number | null
  }[]
  anchorBy: string | null
  /** Why it is not anchored yet. */
  reason?: string
}

/** `retryAfter` is in seconds. */
export type ReceiptAnswer =
  | { kind: 'receipt'; receipt: Receipt }
  | { kind: 'pending'; status: RecordStatus; anchorBy: string | null; retryAfter: number }

/** A receipt, or where the record stands without one. */
export type ReceiptLine = Receipt | { hash: Hex; status: RecordStatus | 'unknown'; detail?: string }

const HASHES_A_LOOKUP = 1_000
const MAX_LINE_LENGTH = MAX_RECEIPT_LENGTH

/** Null when the daemon does not know the record. */
export async function readRecord(send: Send, hash: Hex, limit: Limit): Promise<RecordState | null> {
  return orNull(
    send({ method: 'GET', path: `/v1/records/${hash}`, limit }, async (answer) => {
      const state = await objectOf(answer)
      requireHash(state.hash, hash)
      return state as RecordState
    }),
  )
}

/** Null when the daemon does not know the record. */
export async function readReceipt(send: Send, hash: Hex, limit: Limit): Promise<ReceiptAnswer | null> {
  return orNull(
    send({ method: 'GET', path: `/v1/records/${hash}/receipt`, limit }, async (answer) => {
      if (answer.status === 200) {
        const receipt = receiptFor(hash, await answer.response.text())
        return { kind: 'receipt', receipt } as const
      }
      const { hash: answered, status, anchorBy } = await objectOf(answer)
      requireHash(answered, hash)
      const retryAfter = (answer.retryAfterMs ?? 1_000) / 1_000
      return {
        kind: 'pending',
        status: status as RecordStatus,
        anchorBy: anchorBy as string | null,
        retryAfter,
      } as const
    }),
  )
}

/**
 * One answer a hash, in order, for any number of hashes: a thousand a request, read as they come. A stream that breaks
 * off is asked for again from where it broke.
 */
export async function* readReceipts(
  send: Send,
  hashes: Iterable<HashInput> | AsyncIterable<HashInput>,
  limit: Limit,
): AsyncGenerator<ReceiptLine, void, undefined> {
  let page: Hex[] = []
  let index = 0
  const source = Symbol.asyncIterator in hashes ? until(hashes, limit) : hashes
  for await (const hash of source) {
    page.push(hashOf(hash, { index: index++ }))
    if (page.length < HASHES_A_LOOKUP) continue
    yield* readPage(send, page, limit)
    page = []
  }
  if (page.length > 0) yield* readPage(send, page, limit)
}

async function* readPage(
  send: Send,
  hashes: readonly Hex[],
  limit: Limit,
): AsyncGenerator<ReceiptLine, void, undefined> {
  for (let from = 0; from < hashes.length; ) {
    const asked = hashes.slice(from)
    const call = {
      method: 'POST',
      path: '/v1/receipts',
      contentType: 'application/json',
      body: JSON.stringify({ hashes: asked }),
      limit,
    } as const
    const lines = await send(call, ({ response }) => readLines(response, asked))
    yield* lines
    from += lines.length
  }
}

/** At least one line; fewer than asked when the answer breaks off. A line that does not end is not one. */
async function readLines(response: Response, asked: readonly Hex[]): Promise<ReceiptLine[]> {
  const answers: ReceiptLine[] = []
  for await (const text of wholeLinesOf(response)) {
    const hash = asked[answers.length]
    if (hash === undefined) {
      throw new HoldfastError('WRONG_ANSWER', `More answers than the ${asked.length} hashes asked for.`)
    }
    answers.push(lineFor(hash, text))
  }
  if (answers.length === 0) throw new Error('the answer was empty')
  return answers
}

/** Ends with the body, whichever way that ends. */
async function* wholeLinesOf(response: Response): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const piece of piecesOf(response)) {
      const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
      rest = lines.pop() as string
      yield* lines
      if (rest.length > MAX_LINE_LENGTH) return
    }
  } catch (error) {
    if (error instanceof HoldfastError) throw error
  }
}

async function* piecesOf(response: Response): AsyncGenerator<Uint8Array, void, undefined> {
  if (response.body === null) return
  const reader = response.body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

function lineFor(hash: Hex, text: string): ReceiptLine {
  if (/^\s*\{\s*"format"/.test(text)) return receiptFor(hash, text)
  const line = objectIn(text)
  requireHash(line.hash, hash)
  return line as { hash: Hex; status: RecordStatus | 'unknown' }
}

/** @throws HoldfastError WRONG_ANSWER when it is no receipt, or for another hash */
function receiptFor(hash: Hex, text: string): Receipt {
  let receipt: Receipt
  try {
    receipt = parseReceipt(text)
  } catch (cause) {
    if (!(cause instanceof HoldfastError)) throw cause
    throw new HoldfastError(
      'WRONG_ANSWER',
      `The answer for ${shown(hash)} is not a receipt. ${cause.message}`,
      { cause },
    )
  }
  requireHash(receipt.hash, hash)
  return receipt
}

function objectIn(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
  }
  throw new HoldfastError('WRONG_ANSWER', 'A line of the answer is not a JSON object.')
}

async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'UNKNOWN_RECORD') return null
    throw error
  }
}
