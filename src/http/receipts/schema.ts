import type { FastifySchema } from 'fastify'
import { ANCHOR_REASONS, ANCHOR_STATES } from '../../core/anchor-state.ts'
import {
  address,
  anyJson,
  as,
  bodyFailures,
  chainId,
  failures,
  hash,
  hashIn,
  integer,
  type Json,
  json,
  keyOrOpen,
  list,
  object,
  orNull,
  status,
  text,
  time,
} from '../schema-parts.ts'

const hashParams = {
  type: 'object',
  properties: { hash: hashIn },
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
    ...failures(401, 403, 404),
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
    ...failures(401, 403, 404),
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
    ...bodyFailures(401, 403),
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
    ...bodyFailures(401, 403),
  },
}
