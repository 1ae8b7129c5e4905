import { ANCHOR_REASONS, ANCHOR_STATES } from '../../core/anchor-state.ts'
import {
  address,
  as,
  chainId,
  failures,
  hash,
  idIn,
  integer,
  json,
  key,
  list,
  object,
  orNull,
  text,
  time,
} from '../schema-parts.ts'

export const MAX_LIMIT = 1_000
export const STANDARD_LIMIT = 50

const page = {
  type: 'object',
  properties: {
    limit: { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: STANDARD_LIMIT },
    before: { ...idIn, description: 'the `next` of the page before' },
  },
  additionalProperties: false,
}
const next = orNull(text('pass it as `before` to get the next page; null on the last'))
const params = (...names: string[]) => ({
  type: 'object',
  properties: Object.fromEntries(names.map((name) => [name, idIn])),
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
  response: { 200: json('A page.', object({ batches: list(batch), next })), ...failures(401, 403) },
}
export const BATCH_SCHEMA = {
  ...audit('One batch'),
  params: params('id'),
  response: { 200: json('The batch.', batch), ...failures(401, 403, 404) },
}
export const TILE_SCHEMA = {
  ...audit('One tile of a batch: up to 256 nodes of 32 bytes; level 0 holds the record hashes'),
  params: params('id', 'level', 'index'),
  response: {
    200: as('application/octet-stream', 'The nodes. A tile never changes.', {
      type: 'string',
      format: 'binary',
    }),
    ...failures(401, 403, 404),
  },
}
export const ANCHORS_SCHEMA = {
  ...audit('Anchors, newest first'),
  querystring: page,
  response: { 200: json('A page.', object({ anchors: list(anchor), next })), ...failures(401, 403) },
}
export const ANCHOR_SCHEMA = {
  ...audit('One anchor'),
  params: params('id'),
  response: { 200: json('The anchor.', anchor), ...failures(401, 403, 404) },
}
