/** What a receipt is made of, each kind by one statement. Everything read here is immutable but the anchors. */
import type pg from 'pg'
import type { AnchorReason, AnchorState } from '../core/anchor-state.ts'
import type { Pool } from './database.ts'
import { asStoreError } from './unavailable.ts'

export type TileKey = { batchId: number; level: number; index: number }

/**
 * A tile's nodes as 64 lower-case hex digits each, which is how the driver gets them anyway. A string is collected with
 * the other young objects; a Buffer of this size is not, and thousands a second bring on full collections, whose pauses
 * are most of a look-up's slowest hundredth.
 */
export type TileText = string

/**
 * The tiles in the order of `keys`; undefined where there is none.
 * @throws HoldfastError DATABASE_UNAVAILABLE
 */
export async function readTiles(pool: Pool, keys: readonly TileKey[]): Promise<(TileText | undefined)[]> {
  if (keys.length === 0) return []
  const rows = await query<[number, TileText]>(pool, {
    name: 'read-tiles',
    text: `select k.position::int, encode(t.nodes, 'hex')
           from unnest($1::int[], $2::int[], $3::int[]) with ordinality k (batch_id, level, index, position)
           join tile t on t.batch_id = k.batch_id and t.level = k.level and t.index = k.index`,
    values: [keys.map((key) => key.batchId), keys.map((key) => key.level), keys.map((key) => key.index)],
    rowMode: 'array',
  })
  const found: (TileText | undefined)[] = keys.map(() => undefined)
  for (const [position, nodes] of rows) found[position - 1] = nodes
  return found
}

/** One tile, n x 32 bytes, or null. */
export async function readTile(pool: Pool, key: TileKey): Promise<Buffer | null> {
  const [tile] = await readTiles(pool, [key])
  return tile === undefined ? null : Buffer.from(tile, 'hex')
}

/** Where a sealed leaf stands, and when and from whom it came. */
export type LeafOrigin = {
  batchId: number
  leafIndex: number
  leafCount: number
  root: Buffer
  receivedAtMs: number
  source: string
}

/** An anchor that holds a batch, with the batch's path to its root. */
export type BatchAnchor = {
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
}

export type LeafFacts = {
  origin: LeafOrigin
  /** Every anchor of its batch, the oldest first. */
  anchors: BatchAnchor[]
  /** The tile of record hashes that it stands in, where it was asked for. */
  tile: TileText | undefined
}

type LeafRow = LeafOrigin & { position: number; nodes: TileText | null; anchorId: number | null } & Omit<
    BatchAnchor,
    'anchorId' | 'root'
  > & { anchorRoot: Buffer }

/**
 * All that is known of each sealed leaf, in the order given, by one statement: several, however short, would share two
 * cores with each other. A batch in several anchors is sent its tile as often.
 * @throws HoldfastError DATABASE_UNAVAILABLE
 */
export async function readLeaves(
  pool: Pool,
  leaves: readonly { batchId: number; leafIndex: number; withTile: boolean }[],
): Promise<LeafFacts[]> {
  const rows = await query<LeafRow>(pool, {
    name: 'read-leaves',
    text: `select k.position::int, b.id as "batchId", k.leaf as "leafIndex", b.leaf_count as "leafCount", b.root,
             (extract(epoch from r.received_at) * 1000)::float8 as "receivedAtMs", coalesce(s.name, 'unknown') as source,
             encode(t.nodes, 'hex') as nodes, a.id as "anchorId", a.chain_id as "chainId", a.registry, a.publisher, a.root as "anchorRoot",
             m.path, a.state, (extract(epoch from a.anchor_by) * 1000)::float8 as "anchorByMs",
             a.transaction_hash as "transactionHash", a.block_number as "blockNumber", a.block_hash as "blockHash",
             (extract(epoch from a.block_time) * 1000)::float8 as "blockTimeMs", a.reason
           from unnest($1::int[], $2::int[], $3::bool[]) with ordinality k (batch_id, leaf, with_tile, position)
           join batch b on b.id = k.batch_id
           cross join lateral (
             select source_id, received_at from arrival
             where batch_id = k.batch_id and first_leaf <= k.leaf order by first_leaf desc limit 1
           ) r
           left join source s on s.id = r.source_id
           left join tile t on k.with_tile and t.batch_id = k.batch_id and t.level = 0 and t.index = k.leaf / 256
           left join anchor_batch m on m.batch_id = k.batch_id
           left join anchor a on a.id = m.anchor_id
           order by k.position, a.id`,
    values: [
      leaves.map((leaf) => leaf.batchId),
      leaves.map((leaf) => leaf.leafIndex),
      leaves.map((leaf) => leaf.withTile),
    ],
  })
  const facts: LeafFacts[] = []
  for (const row of rows) {
    const { batchId, leafIndex, leafCount, root, receivedAtMs, source } = row
    const origin = { batchId, leafIndex, leafCount, root, receivedAtMs, source }
    facts[row.position - 1] ??= { origin, anchors: [], tile: row.nodes ?? undefined }
    // The driver's finished queries keep each other's rows past several collections; without this they would keep 16 KB each.
    row.nodes = null
    if (row.anchorId !== null) facts[row.position - 1]!.anchors.push(anchorOf(row, row.anchorId))
  }
  return facts
}

function anchorOf(row: LeafRow, anchorId: number): BatchAnchor {
  const { chainId, registry, publisher, anchorRoot, path, state, anchorByMs } = row
  const { transactionHash, blockNumber, blockHash, blockTimeMs, reason } = row
  const where = { transactionHash, blockNumber, blockHash, blockTimeMs }
  return {
    anchorId,
    chainId,
    registry,
    publisher,
    root: anchorRoot,
    path,
    state,
    anchorByMs,
    ...where,
    reason,
  }
}

async function query<Row>(pool: Pool, config: pg.QueryConfig & { rowMode?: 'array' }): Promise<Row[]> {
  try {
    const { rows } = await pool.query(config)
    return rows as Row[]
  } catch (error) {
    throw asStoreError(error)
  }
}
