/** `POST /v1/records`: hashes in, an acknowledgement out once they are committed. */
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { HoldfastError } from '../../core/errors.ts'
import { HASH_BYTES, toHex } from '../../core/hash.ts'
import type { Auth } from '../auth.ts'
import type { UploadBudget } from '../body.ts'
import { acceptBodies, type Body, unsupported } from '../content-types.ts'
import type { HttpDeps } from '../deps.ts'
import { ingestStream, streamMemoryBytes } from '../ingest-stream.ts'
import { type Items, parseItems, singleHashDigits } from '../parse-items.ts'
import { INGEST_SCHEMA } from '../schemas.ts'

const JSON_TYPE = 'application/json; charset=utf-8'

const KINDS = ['json', 'ndjson', 'octets'] as const

/** @param app a scope of its own: it takes bodies that no other route takes */
export function registerRecords(
  app: FastifyInstance,
  deps: HttpDeps & { auth: Auth; uploads: UploadBudget },
): void {
  const { intake, uploads } = deps
  const stamp = createStamp(deps.anchorBy)

  acceptBodies(app, KINDS, { bodyLimitBytes: deps.settings.bodyLimitBytes, uploads })

  const acknowledge = (reply: FastifyReply, count: number, receivedAtMs: number, extra: string) => {
    reply
      .code(202)
      .header('content-type', JSON_TYPE)
      .send(`{"accepted":${count},${stamp(receivedAtMs)}${extra}}`)
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
    intake.push(request.source!.id, bytes).then(
      (receivedAtMs) => acknowledge(reply, count, receivedAtMs, count === 1 ? oneHash(bytes) : ''),
      (error) => reply.send(error),
    )
  }

  function pushJson(request: FastifyRequest, reply: FastifyReply, body: Buffer): void {
    const sourceId = request.source!.id
    const digits = singleHashDigits(body)
    if (digits !== undefined) {
      intake.push(sourceId, Buffer.from(digits, 'hex')).then(
        (receivedAtMs) => acknowledge(reply, 1, receivedAtMs, `,"hash":"0x${digits.toLowerCase()}"`),
        (error) => reply.send(error),
      )
      return
    }
    const { kind, hashes } = parseItems(body)
    const extra = named(kind, hashes)
    intake.push(sourceId, hashes).then(
      (receivedAtMs) => acknowledge(reply, hashes.length / 32, receivedAtMs, extra),
      (error) => reply.send(error),
    )
  }

  async function pushStream(request: FastifyRequest, reply: FastifyReply, stream: IncomingMessage) {
    const contentLength = lengthOf(stream)
    const memory = streamMemoryBytes(contentLength)
    const refused = uploads.take(memory)
    if (refused) throw refused
    try {
      const sourceId = request.source!.id
      const { accepted, receivedAtMs, only } = await ingestStream(stream, {
        push: (hashes) => intake.push(sourceId, hashes),
        contentLength,
      })
      acknowledge(reply, accepted, receivedAtMs, only ? oneHash(only) : '')
    } catch (error) {
      reply.send(error)
    } finally {
      uploads.give(memory)
    }
  }

  app.post(
    '/v1/records',
    {
      onRequest: deps.auth.require('ingest'),
      schema: INGEST_SCHEMA,
      validatorCompiler: () => () => true,
    },
    (request, reply) => {
      const body = request.body as Body
      if (body === undefined) throw unsupported(KINDS)
      if (body.kind === 'json') pushJson(request, reply, body.bytes)
      else if (body.kind === 'octets') pushOctets(request, reply, body.bytes)
      else pushStream(request, reply, body.stream).catch((error) => reply.send(error))
      // Nothing is returned: for a returned reply, Fastify listens to the response, at a tenth of a push's time.
    },
  )
}

/** The member of an acknowledgement that names what was stored: the hash of one item, the hashes made of records. */
function named(kind: Items['kind'], hashes: Buffer): string {
  if (kind !== 'records') return hashes.length === HASH_BYTES ? oneHash(hashes) : ''
  const each = Array.from({ length: hashes.length / 32 }, (_, i) =>
    toHex(hashes.subarray(i * 32, i * 32 + 32)),
  )
  return `,"hashes":${JSON.stringify(each)}`
}

function oneHash(hash: Uint8Array): string {
  return `,"hash":"${toHex(hash)}"`
}

function lengthOf(stream: IncomingMessage): number | undefined {
  const length = stream.headers['content-length']
  return length === undefined ? undefined : Number(length)
}

/** The two times of an acknowledgement as JSON members; requests of one commit share one text. */
function createStamp(anchorBy: HttpDeps['anchorBy']): (receivedAtMs: number) => string {
  let lastMs = Number.NaN
  let text = ''
  return (receivedAtMs) => {
    if (receivedAtMs !== lastMs) {
      const by = anchorBy(receivedAtMs)
      const deadline = by === null ? 'null' : `"${new Date(by).toISOString()}"`
      text = `"receivedAt":"${new Date(receivedAtMs).toISOString()}","anchorBy":${deadline}`
      lastMs = receivedAtMs
    }
    return text
  }
}
