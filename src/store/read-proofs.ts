/** What a receipt is made of, each kind by one statement. Everything read here is immutable but the anchors. */
import type pg from 'pg'
import type { AnchorReason, AnchorState } from '../core/anchor-state.ts'
import type { Pool } from './database.ts'
import { asStoreError } from './unavailable.ts'

export type TileKey = { batchId: number; level: number; index: number }

/**
 * Nodes (n x 32 bytes) of each tile asked for, in the order of `keys`; undefined where there is none.
 * @throws HoldfastError DATABASE_UNAVAILABLE
 */
export async function readTiles(pool: Pool, keys: readonly TileKey[]): Promise<(Buffer | undefined)[]> {
  if (keys.length === 0) return []
  const rows = await query<[number, Buffer]>(pool, {
    name: 'read-tiles',
    text: `select k.position::int, t.nodes
           from unnest($1::int[], $2::int[], $3::int[]) with ordinality k (batch_id, level, index, position)
           join tile t on t.batch_id = k.batch_id and t.level = k.level and t.index = k.index`,
    values: [keys.map((key) => key.batchId), keys.map((key) => key.level), keys.map((key) => key.index)],
    rowMode: 'array',
  })
  const found: (Buffer | undefined)[] = keys.map(() => undefined)
  for (const [position, nodes] of rows) found[position - 1] = nodes
  return found
}

/** A sealed batch and when and from whom one of its leaves came. */
export type LeafOrigin = {
  batchId: number
  leafIndex: number
  leafCount: number
  root: Buffer
  receivedAtMs: number
  source: string
}

/** Origin of each leaf, in order. A sealed leaf always has one. */
export async function readOrigins(
  pool: Pool,
  leaves: readonly { batchId: number; leafIndex: number }[],
): Promise<LeafOrigin[]> {
  return query<LeafOrigin>(pool, {
    name: 'read-origins',
    text: `select b.id as "batchId", k.leaf::int as "leafIndex", b.leaf_count as "leafCount", b.root,
             (extract(epoch from a.received_at) * 1000)::float8 as "receivedAtMs", coalesce(s.name, 'unknown') as source
           from unnest($1::int[], $2::int[]) with ordinality k (batch_id, leaf, position)
           join batch b on b.id = k.batch_id
           cross join lateral (
             select source_id, received_at from arrival
             where batch_id = k.batch_id and first_leaf <= k.leaf order by first_leaf desc limit 1
           ) a
           left join source s on s.id = a.source_id
           order by k.position`,
    values: [leaves.map((leaf) => leaf.batchId), leaves.map((leaf) => leaf.leafIndex)],
  })
}

/** An anchor that holds a batch, with the batch's path to its root. */
export type BatchAnchor = {
  batchId: number
  anchorId: number
  chainId: number
  registry: string
  publisher: string
  root: Buffer
  /** n x 32 bytes, lowest sibling first. */
  path: Buffer
  state: AnchorState
  anchorByMs: number
  transactionHash: Buffer | null
  blockNumber: number | null
  blockHash: Buffer | null
  blockTimeMs: number | null
  reason: AnchorReason | null
  detail: string | null
}

/** Every anchor of the batches, the oldest first. */
export async function readAnchorsOfBatches(pool: Pool, batchIds: readonly number[]): Promise<BatchAnchor[]> {
  return query<BatchAnchor>(pool, {
    name: 'read-anchors-of-batches',
    text: `select m.batch_id as "batchId", a.id as "anchorId", a.chain_id as "chainId", a.registry, a.publisher, a.root,
             m.path, a.state, (extract(epoch from a.anchor_by) * 1000)::float8 as "anchorByMs",
             a.transaction_hash as "transactionHash", a.block_number as "blockNumber", a.block_hash as "blockHash",
             (extract(epoch from a.block_time) * 1000)::float8 as "blockTimeMs", a.reason, a.detail
           from anchor_batch m join anchor a on a.id = m.anchor_id
           where m.batch_id = any($1::int[]) order by a.id`,
    values: [batchIds],
  })
}

async function query<Row>(pool: Pool, config: pg.QueryConfig & { rowMode?: 'array' }): Promise<Row[]> {
  try {
    const { rows } = await pool.query(config)
    return rows as Row[]
  } catch (error) {
    throw asStoreError(error)
  }
}
