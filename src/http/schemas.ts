/**
 * What each route takes and gives, as JSON Schema: the source of `/openapi.json`. Fastify checks query strings against
 * it; bodies are read by parsers that say more, and answers are written as they are. Tests hold answers against it.
 */
import type { FastifySchema } from 'fastify'
import { ANCHOR_REASONS, ANCHOR_STATES, RECORD_STATUSES } from '../core/anchor-state.ts'
import { ERRORS } from '../core/errors.ts'
import { MAX_HASHES, MAX_RECORDS } from './records/parse-items.ts'

type Json = Record<string, unknown>

const text = (description?: string): Json => ({ type: 'string', ...(description && { description }) })
const integer = (description?: string): Json => ({
  type: 'integer',
  minimum: 0,
  ...(description && { description }),
})
const time = (description?: string): Json => ({
  type: 'string',
  format: 'date-time',
  ...(description && { description }),
})
const orNull = (schema: Json): Json => ({ ...schema, type: [schema.type as string, 'null'] })
const list = (items: Json, description?: string): Json => ({
  type: 'array',
  items,
  ...(description && { description }),
})
const object = (properties: Record<string, Json>, optional: string[] = [], more = false): Json => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((key) => !optional.includes(key)),
  additionalProperties: more,
})

const hash: Json = { type: 'string', pattern: '^0x[0-9a-f]{64}$' }
const hashIn: Json = {
  type: 'string',
  pattern: '^(0x)?[0-9a-fA-F]{64}$',
  description: '32 bytes in hex, any case, with or without 0x',
}
const status: Json = {
  type: 'string',
  enum: [...RECORD_STATUSES],
  description: 'accepted: stored, and not in a batch yet; anchored: in a block that may still be replaced',
}
const address: Json = { type: 'string', pattern: '^0x[0-9a-fA-F]{40}$' }
const chainId: Json = { type: 'string', pattern: '^eip155:[0-9]+$' }
const anyJson: Json = { description: 'any JSON value' }

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
  },
  ['index', 'line', 'accepted', 'retryAfter'],
)

const as = (type: string, description: string, schema: Json): Json => ({
  description,
  content: { [type]: { schema } },
})
const json = (description: string, schema: Json) => as('application/json', description, schema)
const failures = (...codes: number[]): Record<string, Json> =>
  Object.fromEntries(
    [...codes, 503].map((code) => [code, as('application/problem+json', MEANING[code]!, problem)]),
  )

const MEANING: Record<number, string> = {
  400: 'The request is not as documented; the detail says what and where.',
  401: 'No valid API key.',
  403: 'The API key lacks the scope.',
  404: 'There is no such thing.',
  413: 'Too much in one request.',
  415: 'Another content type is needed.',
  503: 'Cannot be served now; come back after Retry-After seconds.',
}

const key = [{ apiKey: [] }]
const keyOrOpen = [{}, { apiKey: [] }]

export const INGEST_SCHEMA = {
  tags: ['ingest'],
  summary: 'Store hashes for anchoring. Scope: ingest',
  description:
    'Answers once the hashes are committed. JSON and octets are stored as a whole or not at all; NDJSON is stored as it arrives, and an error tells how far it came. A record is hashed here, by SHA-256 of its RFC 8785 canonical form, and not kept.',
  security: key,
  body: {
    content: {
      'application/json': {
        schema: {
          oneOf: [
            object({ hash: hashIn }),
            object({ hashes: { ...list(hashIn), minItems: 1, maxItems: MAX_HASHES } }),
            object({ record: anyJson }),
            object({ records: { ...list(anyJson), minItems: 1, maxItems: MAX_RECORDS } }),
          ],
        },
      },
      'application/x-ndjson': { schema: text('a line is "hex", {"hash": "hex"} or {"record": …}') },
      'application/octet-stream': {
        schema: { type: 'string', format: 'binary', description: 'N x 32 bytes' },
      },
    },
  },
  response: {
    202: json(
      'Stored.',
      object(
        {
          accepted: integer('how many hashes were stored'),
          receivedAt: time(),
          anchorBy: orNull(time('when they are on a chain at the latest')),
          hash: { ...hash, description: 'when there was one item' },
          hashes: list(hash, 'of records, in order'),
        },
        ['hash', 'hashes'],
      ),
    ),
    ...failures(400, 401, 403, 413, 415),
  },
}

const hashParams = {
  type: 'object',
  properties: { hash: text('32 bytes in hex, with or without 0x') },
  required: ['hash'],
}

export const RECORD_SCHEMA = {
  tags: ['audit'],
  summary: 'Where a record stands',
  security: keyOrOpen,
  params: hashParams,
  response: {
    200: json(
      'The earliest record with this hash whose anchor stands, or else the earliest one.',
      object(
        {
          hash,
          status,
          receivedAt: time(),
          source: text('who pushed it'),
          batch: {
            ...orNull(object({ id: text(), leafIndex: integer() })),
            description: 'null while the status is accepted',
          },
          anchors: list(
            object({
              id: text(),
              chainId,
              root: hash,
              state: { type: 'string', enum: [...ANCHOR_STATES] },
              transactionHash: orNull(hash),
              blockNumber: orNull(integer()),
            }),
          ),
          anchorBy: orNull(time()),
          reason: { type: 'string', enum: [...ANCHOR_REASONS], description: 'why it is not anchored yet' },
        },
        ['reason'],
      ),
    ),
    ...failures(400, 401, 403, 404),
  },
} satisfies FastifySchema & Json

const receipt = object({
  format: { const: 'holdfast-receipt/1' },
  tree: { const: 'holdfast-keccak-v1' },
  hash,
  receivedAt: time(),
  leaf: hash,
  batch: object({ id: text(), leafIndex: integer(), leafCount: integer(), root: hash }),
  path: list(hash),
  anchors: list(
    object({
      chainId,
      registry: address,
      publisher: address,
      root: hash,
      path: list(hash),
      transactionHash: hash,
      blockNumber: integer(),
      blockHash: hash,
      blockTime: time(),
      status: { type: 'string', enum: ['mined', 'finalized'] },
    }),
  ),
})

export const RECEIPT_SCHEMA = {
  tags: ['audit'],
  summary: 'The receipt of a record',
  security: keyOrOpen,
  params: hashParams,
  response: {
    200: json('The receipt; docs/receipt-format.md says how to check it.', receipt),
    202: json(
      'Stored, but not on a chain yet. Ask again after Retry-After seconds.',
      object({ hash, status, anchorBy: orNull(time()) }),
    ),
    ...failures(400, 401, 403, 404),
  },
}

export const RECEIPTS_SCHEMA = {
  tags: ['audit'],
  summary: 'Many receipts at once',
  security: keyOrOpen,
  body: {
    content: {
      'application/json': { schema: object({ hashes: { ...list(hashIn), minItems: 1, maxItems: 1000 } }) },
    },
  },
  response: {
    200: as(
      'application/x-ndjson',
      'A line for each hash, in order: its receipt, or {"hash", "status"} without one; status "unknown" when it is not found here, with a "detail" when more hashes wait to be sealed than were searched.',
      text(),
    ),
    ...failures(400, 401, 403, 413, 415),
  },
}

export const VERIFY_SCHEMA = {
  tags: ['audit'],
  summary: 'Check a receipt, hash or record against its chains, read live',
  security: keyOrOpen,
  body: {
    content: {
      'application/json': {
        schema: {
          oneOf: [object({ receipt: anyJson }), object({ hash: hashIn }), object({ record: anyJson })],
        },
      },
    },
  },
  response: {
    200: json(
      'The verdict.',
      object({
        verdict: { type: 'string', enum: ['unknown', 'accepted', 'sealed', 'anchored', 'contradicted'] },
        reason: orNull(text('why the verdict is not a plain `anchored`')),
        final: { type: 'boolean', description: 'an anchor is in a block that its chain will not give up' },
        headline: text('the verdict for people, and everything that was not looked at'),
        valid: { type: 'boolean', description: 'an anchor was checked whole, and none failed' },
        conclusive: { type: 'boolean', description: 'false when trying again could change the verdict' },
        hash: orNull(hash),
        checks: list(
          object({
            name: text(),
            ok: { type: 'boolean' },
            state: { type: 'string', enum: ['passed', 'failed', 'unread', 'noted'] },
            detail: text(),
          }),
        ),
        anchors: list(
          object({
            chainId: text(),
            root: text(),
            blockNumber: integer(),
            blockTime: text(),
            status: { type: 'string', enum: ['mined', 'finalized', 'unknown'] },
            outcome: { type: 'string', enum: ['confirmed', 'denied', 'disagree', 'unread', 'refused'] },
            ok: { type: 'boolean' },
            endpoints: list(
              object({
                name: text(),
                outcome: { type: 'string', enum: ['confirmed', 'denied', 'unread'] },
                detail: text(),
              }),
            ),
          }),
        ),
        stated: list(object({ field: text(), value: text(), detail: text() }), 'what no chain proves'),
      }),
    ),
    ...failures(400, 401, 403, 413, 415),
  },
}

const page = {
  type: 'object',
  properties: {
    limit: { type: 'integer', minimum: 1, maximum: 1000, default: 50 },
    before: text('the `next` of the page before'),
  },
  additionalProperties: false,
}
const next = orNull(text('pass it as `before` to get the next page; null on the last'))
const params = (...names: string[]) => ({
  type: 'object',
  properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
  required: names,
})

const batch = object({
  id: text(),
  leafCount: integer(),
  root: hash,
  sealedAt: time(),
  firstReceivedAt: time(),
  lastReceivedAt: time(),
  firstIndex: integer('position of its first leaf among all leaves'),
  anchors: list(text(), 'ids of the anchors that hold it'),
})

const anchor = object({
  id: text(),
  chainId,
  registry: address,
  publisher: address,
  mode: { type: 'string', enum: ['storage', 'event'] },
  root: hash,
  state: { type: 'string', enum: [...ANCHOR_STATES] },
  firstBatch: text(),
  lastBatch: text(),
  leafCount: integer(),
  anchorBy: time(),
  createdAt: time(),
  transactionHash: orNull(hash),
  blockNumber: orNull(integer()),
  blockHash: orNull(hash),
  blockTime: orNull(time()),
  gasUsed: orNull(integer()),
  finalizedAt: orNull(time()),
  reason: { enum: [...ANCHOR_REASONS, null] },
  detail: orNull(text()),
})

const audit = (summary: string) => ({ tags: ['lists'], summary: `${summary}. Scope: audit`, security: key })

export const BATCHES_SCHEMA = {
  ...audit('Batches, newest first'),
  querystring: page,
  response: { 200: json('A page.', object({ batches: list(batch), next })), ...failures(400, 401, 403) },
}
export const BATCH_SCHEMA = {
  ...audit('One batch'),
  params: params('id'),
  response: { 200: json('The batch.', batch), ...failures(400, 401, 403, 404) },
}
export const TILE_SCHEMA = {
  ...audit('One tile of a batch: up to 256 nodes of 32 bytes; level 0 holds the record hashes'),
  params: params('id', 'level', 'index'),
  response: {
    200: as('application/octet-stream', 'The nodes. A tile never changes.', {
      type: 'string',
      format: 'binary',
    }),
    ...failures(400, 401, 403, 404),
  },
}
export const ANCHORS_SCHEMA = {
  ...audit('Anchors, newest first'),
  querystring: page,
  response: { 200: json('A page.', object({ anchors: list(anchor), next })), ...failures(400, 401, 403) },
}
export const ANCHOR_SCHEMA = {
  ...audit('One anchor'),
  params: params('id'),
  response: { 200: json('The anchor.', anchor), ...failures(400, 401, 403, 404) },
}

export const STATUS_SCHEMA = {
  tags: ['operations'],
  summary: 'Backlog, next tick, last anchor and signer balance of each chain. Scope: audit',
  security: key,
  response: {
    200: json('The status.', { type: 'object', additionalProperties: true }),
    ...failures(401, 403),
  },
}
export const EVENTS_SCHEMA = {
  tags: ['operations'],
  summary: 'Server-sent events sealed, anchored, finalized, reorged. Scope: audit',
  security: key,
  response: {
    200: as('text/event-stream', 'Events as they happen; none are kept for later.', text()),
    ...failures(401, 403),
  },
}

const checks = object({
  status: { type: 'string', enum: ['ok', 'failing'] },
  checks: list(object({ name: text(), ok: { type: 'boolean' }, detail: text() })),
})
export const LIVE_SCHEMA = {
  tags: ['operations'],
  summary: 'The process answers',
  response: { 200: json('It does.', object({ status: { const: 'ok' } })) },
}
export const HEALTH_SCHEMA = {
  tags: ['operations'],
  summary: 'readyz: requests can be served; healthz: nothing needs an operator',
  response: { 200: json('All checks passed.', checks), 503: json('Some check failed.', checks) },
}
export const METRICS_SCHEMA = {
  tags: ['operations'],
  summary: 'Metrics for Prometheus',
  response: { 200: as('text/plain', 'The exposition.', text()) },
}
export const OPENAPI_SCHEMA = {
  tags: ['operations'],
  summary: 'This document',
  response: { 200: json('OpenAPI 3.1.', { type: 'object', additionalProperties: true }) },
}
