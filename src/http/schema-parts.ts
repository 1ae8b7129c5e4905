/** What the schemas of the routes are made of. They are the source of `/openapi.json`; tests hold answers against it. */
import { RECORD_STATUSES } from '../core/anchor-state.ts'
import { ERRORS } from '../core/errors.ts'

export type Json = Record<string, unknown>

export const text = (description?: string): Json => ({ type: 'string', ...(description && { description }) })
export const integer = (description?: string): Json => ({
  type: 'integer',
  minimum: 0,
  ...(description && { description }),
})
export const time = (description?: string): Json => ({
  type: 'string',
  format: 'date-time',
  ...(description && { description }),
})
export const orNull = (schema: Json): Json => ({ ...schema, type: [schema.type as string, 'null'] })
export const list = (items: Json, description?: string): Json => ({
  type: 'array',
  items,
  ...(description && { description }),
})
export const object = (properties: Record<string, Json>, optional: string[] = [], more = false): Json => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((key) => !optional.includes(key)),
  additionalProperties: more,
})

export const hash: Json = { type: 'string', pattern: '^0x[0-9a-f]{64}$' }
/** An id as the API gives it out. */
export const idIn: Json = { type: 'string', pattern: '^[0-9]{1,16}$' }
export const hashIn: Json = {
  type: 'string',
  pattern: '^(0x)?[0-9a-fA-F]{64}$',
  description: '32 bytes in hex, any case, with or without 0x',
}
export const status: Json = {
  type: 'string',
  enum: [...RECORD_STATUSES],
  description: 'accepted: stored, and not in a batch yet; anchored: in a block that may still be replaced',
}
export const address: Json = { type: 'string', pattern: '^0x[0-9a-fA-F]{40}$' }
export const chainId: Json = { type: 'string', pattern: '^eip155:[0-9]+$' }
/** A JSON value that all programs read alike. Without a name of its own it could not hold itself. */
export const JSON_VALUE: Json = {
  $id: 'JsonValue',
  description:
    'Any JSON value without duplicate keys, lone surrogates, integers beyond 2^53 - 1 and numbers that a double does not hold; at most 256 levels deep. Larger numbers are taken when they are written with an exponent.',
  anyOf: [
    { type: ['null', 'boolean', 'string'] },
    { type: 'number', minimum: -Number.MAX_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER },
    { type: 'array', items: { $ref: 'JsonValue#' } },
    { type: 'object', additionalProperties: { $ref: 'JsonValue#' } },
  ],
}
export const anyJson: Json = { $ref: 'JsonValue#' }

const problem = object(
  {
    type: text(),
    title: text(),
    status: integer(),
    detail: text('what was wrong, and what would be right'),
    code: { type: 'string', enum: Object.keys(ERRORS) },
    index: integer('0-based position of the first bad item of an array'),
    line: integer('1-based line at which an NDJSON body stopped'),
    accepted: integer('hashes of an NDJSON body that are stored'),
    retryAfter: integer('seconds'),
    allow: text('the methods that are possible'),
  },
  ['index', 'line', 'accepted', 'retryAfter', 'allow'],
)

export const as = (type: string, description: string, schema: Json): Json => ({
  description,
  content: { [type]: { schema } },
})
export const json = (description: string, schema: Json) => as('application/json', description, schema)
/** What every call can answer, by status, and the statuses of this one. */
export const failures = (...codes: number[]): Record<string, Json> =>
  Object.fromEntries(
    [...codes, ...EVERYWHERE]
      .sort()
      .map((code) => [code, as('application/problem+json', MEANING[code]!, problem)]),
  )

/** Of a call that takes a body. */
export const bodyFailures = (...codes: number[]) => failures(...codes, 408, 413, 415)

const EVERYWHERE = [400, 417, 431, 500, 503, 505]
const MEANING: Record<number, string> = {
  400: 'The request is not as documented; the detail says what and where.',
  401: 'No valid API key.',
  403: 'The API key lacks the scope.',
  404: 'There is no such thing.',
  408: 'The body came too slowly.',
  413: 'Too much in one request.',
  415: 'Another content type is needed.',
  417: 'The Expect header is not 100-continue.',
  431: 'The headers are larger than 16 KiB.',
  500: 'A fault of the server; its log says more.',
  503: 'Cannot be served now; come back after Retry-After seconds.',
  505: 'Another version than HTTP/1.1.',
}

export const key = [{ apiKey: [] }]
export const keyOrOpen = [{}, { apiKey: [] }]
