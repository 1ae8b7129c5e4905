/** Lists for auditors and operators: newest first, `before` an id, so that a page never shifts under its reader. */
import type pg from 'pg'
import type { AnchorReason, AnchorState } from '../core/anchor-state.ts'
import { asStoreError } from './unavailable.ts'

export type Page = {
  /** At most this many rows. */
  limit: number
  /** Only rows with a lower id. */
  before?: number | undefined
}

export type BatchRow = {
  id: number
  leafCount: number
  root: Buffer
  sealedAt: Date
  firstReceivedAt: Date
  lastReceivedAt: Date
  firstIndex: number
  /** The anchors that hold it. */
  anchorIds: number[]
}

export type AnchorRow = {
  id: number
  chainId: number
  registry: string
  publisher: string
  mode: 'storage' | 'event'
  root: Buffer
  state: AnchorState
  firstBatch: number
  lastBatch: number
  leafCount: number
  anchorBy: Date
  createdAt: Date
  transactionHash: Buffer | null
  blockNumber: number | null
  blockHash: Buffer | null
  blockTime: Date | null
  gasUsed: number | null
  finalizedAt: Date | null
  reason: AnchorReason | null
  detail: string | null
}

const BATCH = `select b.id, b.leaf_count as "leafCount", b.root, b.sealed_at as "sealedAt",
    b.first_received_at as "firstReceivedAt", b.last_received_at as "lastReceivedAt", b.first_index as "firstIndex",
    array(select m.anchor_id::float8 from anchor_batch m where m.batch_id = b.id order by 1) as "anchorIds"
  from batch b`

const ANCHOR = `select id, chain_id as "chainId", registry, publisher, mode, root, state, first_batch as "firstBatch",
    last_batch as "lastBatch", leaf_count as "leafCount", anchor_by as "anchorBy", created_at as "createdAt",
    transaction_hash as "transactionHash", block_number as "blockNumber", block_hash as "blockHash",
    block_time as "blockTime", gas_used as "gasUsed", finalized_at as "finalizedAt", reason, detail
  from anchor`

export function listBatches(pool: pg.Pool, page: Page): Promise<BatchRow[]> {
  return rowsOf(pool, `${BATCH} where ($2::int is null or b.id < $2) order by b.id desc limit $1`, [
    page.limit,
    page.before ?? null,
  ])
}

export async function readBatch(pool: pg.Pool, id: number): Promise<BatchRow | null> {
  return (await rowsOf<BatchRow>(pool, `${BATCH} where b.id = $1`, [id]))[0] ?? null
}

export function listAnchors(pool: pg.Pool, page: Page): Promise<AnchorRow[]> {
  return rowsOf(pool, `${ANCHOR} where ($2::bigint is null or id < $2) order by id desc limit $1`, [
    page.limit,
    page.before ?? null,
  ])
}

export async function readAnchor(pool: pg.Pool, id: number): Promise<AnchorRow | null> {
  return (await rowsOf<AnchorRow>(pool, `${ANCHOR} where id = $1`, [id]))[0] ?? null
}

/** All leaves ever sealed, in how many batches, and when the last of them was. */
export async function sealedTotals(
  pool: pg.Pool,
): Promise<{ leaves: number; batches: number; lastSealedAt: Date | null }> {
  const [row] = await rowsOf<{ leaves: number; batches: number; lastSealedAt: Date | null }>(
    pool,
    `select first_index + leaf_count as leaves, id as batches, sealed_at as "lastSealedAt"
     from batch order by id desc limit 1`,
    [],
  )
  return row ?? { leaves: 0, batches: 0, lastSealedAt: null }
}

async function rowsOf<Row>(pool: pg.Pool, text: string, values: unknown[]): Promise<Row[]> {
  try {
    const { rows } = await pool.query(text, values)
    return rows as Row[]
  } catch (error) {
    throw asStoreError(error)
  }
}
