import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { HoldfastError } from '../../core/errors.ts'
import { clientOf } from '../client-of.ts'
import type { GatheringRequest } from '../connections/request.ts'
import type { Hold, Uploads } from '../uploads.ts'
import { MAX_JSON_BYTES, readBody } from './body.ts'
import { outcomeOf } from './read-ahead.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What its body holds; released when the request is answered, or before. */
    hold: Hold | null
  }
}

/** A body as its content-type parser leaves it: raw bytes, or the stream itself for NDJSON. */
export type Body =
  | { kind: 'json'; bytes: Buffer }
  | { kind: 'octets'; bytes: Buffer }
  | { kind: 'ndjson'; stream: GatheringRequest }
  | undefined

export type ContentKind = NonNullable<Body>['kind']

const TYPES: Record<ContentKind, string> = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  octets: 'application/octet-stream',
}

/** Makes the routes of this scope take bodies of these kinds and no other. */
export function acceptBodies(
  app: FastifyInstance,
  kinds: readonly ContentKind[],
  limits: { bodyLimitBytes: number; uploads: Uploads },
): void {
  app.removeAllContentTypeParsers()
  for (const kind of kinds) {
    const bytes = kind === 'json' ? Math.min(MAX_JSON_BYTES, limits.bodyLimitBytes) : limits.bodyLimitBytes
    app.addContentTypeParser(TYPES[kind], (request, payload, done) => {
      const fault = faultOfHeaders(payload)
      if (fault) return done(fault)
      const readAhead = outcomeOf(payload)
      if (readAhead !== undefined && 'error' in readAhead) return done(readAhead.error)
      if (readAhead !== undefined) return done(null, { kind, bytes: readAhead.body })
      const stream = payload as GatheringRequest
      const hold = limits.uploads.hold(clientOf(request))
      request.hold = hold
      if (kind === 'ndjson') return done(null, { kind, stream })
      readBody(stream, { bytes, hold }, (error, body) => {
        if (error) done(error)
        else done(null, { kind, bytes: body! })
      })
    })
  }
  // Takes what no parser above takes, only to refuse it in words that name those.
  app.addContentTypeParser('*', (_request, _stream, done) => done(unsupported(kinds)))
}

/**
 * The bytes of a JSON body.
 * @throws HoldfastError UNSUPPORTED_MEDIA_TYPE when there was no body
 */
export function jsonBytes(body: unknown): Buffer {
  const given = body as Body
  if (given?.kind !== 'json') throw unsupported(['json'])
  return given.bytes
}

/** The refusal of a body that is missing or of another type. */
export function unsupported(kinds: readonly ContentKind[]): HoldfastError {
  return new HoldfastError(
    'UNSUPPORTED_MEDIA_TYPE',
    `Send a body with Content-Type ${kinds.map((kind) => TYPES[kind]).join(' or ')}.`,
  )
}

function faultOfHeaders({ headers }: IncomingMessage): HoldfastError | undefined {
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    return new HoldfastError('UNSUPPORTED_MEDIA_TYPE', 'Send the body without a Content-Encoding.')
  }
  const charset = /charset\s*=\s*"?([^";\s]+)/i.exec(headers['content-type'] ?? '')?.[1]
  if (charset !== undefined && !/^(utf-?8|us-ascii)$/i.test(charset)) {
    return new HoldfastError('UNSUPPORTED_MEDIA_TYPE', `Send text as UTF-8, not as ${charset.slice(0, 40)}.`)
  }
  return undefined
}
