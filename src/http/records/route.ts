/** `POST /v1/records`: hashes in, an acknowledgement out once they are committed. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { HoldfastError } from '../../core/errors.ts'
import { HASH_BYTES, toHex } from '../../core/hash.ts'
import type { Auth } from '../auth.ts'
import type { GatheringRequest } from '../connections/request.ts'
import type { HttpDeps } from '../deps.ts'
import type { Turns } from '../turns.ts'
import type { Uploads } from '../uploads.ts'
import { type Acknowledgement, JSON_TYPE } from './acknowledgement.ts'
import { acceptBodies, type Body, unsupported } from './content-types.ts'
import { ingestStream } from './ingest-stream.ts'
import { parseItems } from './parse-items.ts'
import { INGEST_SCHEMA } from './schema.ts'

const KINDS = ['json', 'ndjson', 'octets'] as const

/** @param app a scope of its own: it takes bodies that no other route takes */
export function registerRecords(
  app: FastifyInstance,
  deps: HttpDeps & { auth: Auth; uploads: Uploads; turns: Turns; acknowledgement: Acknowledgement },
): void {
  const { intake, uploads, turns, acknowledgement } = deps
  const { recordLimitBytes } = deps.settings

  acceptBodies(app, KINDS, { bodyLimitBytes: deps.settings.bodyLimitBytes, uploads })

  const acknowledge = (reply: FastifyReply, ...what: Parameters<Acknowledgement>) => {
    reply
      .code(202)
      .header('content-type', JSON_TYPE)
      .send(acknowledgement(...what))
  }

  function pushOctets(request: FastifyRequest, reply: FastifyReply, bytes: Buffer): void {
    const count = bytes.length / 32
    if (bytes.length === 0) throw new HoldfastError('EMPTY', 'The body is empty; N x 32 bytes were expected.')
    if (!Number.isInteger(count)) {
      throw new HoldfastError(
        'INVALID_HASH',
        `The body has ${bytes.length} bytes, which is not a multiple of 32: the last hash has ${bytes.length % 32} bytes.`,
        { index: Math.floor(count) },
      )
    }
    request.hold?.release()
    intake.push(request.source!.id, bytes).then(
      (receivedAtMs) => acknowledge(reply, count, receivedAtMs, onlyDigits(bytes)),
      (error) => reply.send(error),
    )
  }

  async function pushJson(request: FastifyRequest, reply: FastifyReply, body: Buffer): Promise<void> {
    const { kind, hashes } = await parseItems(body, { recordLimitBytes, turns })
    request.hold?.release()
    const receivedAtMs = await intake.push(request.source!.id, hashes)
    const digits = kind === 'records' ? undefined : onlyDigits(hashes)
    const members = kind === 'records' ? madeOf(hashes) : ''
    acknowledge(reply, hashes.length / HASH_BYTES, receivedAtMs, digits, members)
  }

  async function pushStream(request: FastifyRequest, reply: FastifyReply, stream: GatheringRequest) {
    const sourceId = request.source!.id
    const { accepted, receivedAtMs, only } = await ingestStream(stream, {
      push: (hashes) => intake.push(sourceId, hashes),
      recordLimitBytes,
      turns,
      hold: request.hold!,
    })
    acknowledge(reply, accepted, receivedAtMs, only ? onlyDigits(only) : undefined)
  }

  app.post(
    '/v1/records',
    {
      onRequest: deps.auth.require('ingest'),
      schema: INGEST_SCHEMA,
    },
    (request, reply) => {
      const body = request.body as Body
      if (body === undefined) throw unsupported(KINDS)
      const refuse = (error: unknown) => reply.send(error)
      if (body.kind === 'json') pushJson(request, reply, body.bytes).catch(refuse)
      else if (body.kind === 'octets') pushOctets(request, reply, body.bytes)
      else pushStream(request, reply, body.stream).catch(refuse)
      // Nothing is returned: for a returned reply, Fastify listens to the response, at a tenth of a push's time.
    },
  )
}

/** The hashes made of records, as a member of the acknowledgement. */
function madeOf(hashes: Buffer): string {
  const each = Array.from({ length: hashes.length / HASH_BYTES }, (_, i) =>
    toHex(hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)),
  )
  return `,"hashes":${JSON.stringify(each)}`
}

/** The digits of the hash when there is one alone. */
function onlyDigits(hashes: Uint8Array): string | undefined {
  return hashes.length === HASH_BYTES ? toHex(hashes).slice(2) : undefined
}
