import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { HoldfastError } from '../../core/errors.ts'
import { MAX_JSON_BYTES, readBody, type UploadBudget } from './body.ts'
import { outcomeOf } from './read-ahead.ts'

/** A body as its content-type parser leaves it: raw bytes, or the stream itself for NDJSON. */
export type Body =
  | { kind: 'json'; bytes: Buffer }
  | { kind: 'octets'; bytes: Buffer }
  | { kind: 'ndjson'; stream: IncomingMessage }
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
  limits: { bodyLimitBytes: number; uploads: UploadBudget },
): void {
  app.removeAllContentTypeParsers()
  for (const kind of kinds) {
    const bytes = kind === 'json' ? Math.min(MAX_JSON_BYTES, limits.bodyLimitBytes) : limits.bodyLimitBytes
    app.addContentTypeParser(TYPES[kind], (_request, stream, done) => {
      const fault = faultOfHeaders(stream)
      if (fault) done(fault)
      else if (kind === 'ndjson') done(null, { kind, stream })
      else {
        const readAhead = outcomeOf(stream)
        if (readAhead !== undefined) {
          if ('error' in readAhead) done(readAhead.error)
          else done(null, { kind, bytes: readAhead.body })
          return
        }
        readBody(stream, { bytes, budget: limits.uploads }, (error, body) => {
          if (error) done(error)
          else done(null, { kind, bytes: body! })
        })
      }
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
