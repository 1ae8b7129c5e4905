/** Lists for auditors and operators: newest first, `before` an id, so that a page never shifts under its reader. */
import { sql } from 'kysely'
import type { AnchorReason, AnchorState } from '../../core/anchor-state.ts'
import { asStoreError } from '../connection/failures.ts'
import type { Queries } from '../connection/schema.ts'

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

const batches = (db: Queries) =>
  db.selectFrom('batch').select((eb) => [
    'id',
    'leaf_count as leafCount',
    'root',
    'sealed_at as sealedAt',
    'first_received_at as firstReceivedAt',
    'last_received_at as lastReceivedAt',
    'first_index as firstIndex',
    // An array of float8 is read as numbers, one of bigint as text.
    sql<number[]>`array(${eb
      .selectFrom('anchor_batch')
      .select(sql<number>`anchor_id::float8`.as('id'))
      .whereRef('anchor_batch.batch_id', '=', 'batch.id')
      .orderBy('anchor_id')})`.as('anchorIds'),
  ])

const anchors = (db: Queries) =>
  db
    .selectFrom('anchor')
    .select([
      'id',
      'chain_id as chainId',
      'registry',
      'publisher',
      'mode',
      'root',
      'state',
      'first_batch as firstBatch',
      'last_batch as lastBatch',
      'leaf_count as leafCount',
      'anchor_by as anchorBy',
      'created_at as createdAt',
      'transaction_hash as transactionHash',
      'block_number as blockNumber',
      'block_hash as blockHash',
      'block_time as blockTime',
      'gas_used as gasUsed',
      'finalized_at as finalizedAt',
      'reason',
      'detail',
    ])

export async function listBatches(db: Queries, { limit, before }: Page): Promise<BatchRow[]> {
  const older = before === undefined ? batches(db) : batches(db).where('id', '<', before)
  return asked(older.orderBy('id', 'desc').limit(limit).execute())
}

export async function readBatch(db: Queries, id: number): Promise<BatchRow | null> {
  return (await asked(batches(db).where('id', '=', id).executeTakeFirst())) ?? null
}

export async function listAnchors(db: Queries, { limit, before }: Page): Promise<AnchorRow[]> {
  const older = before === undefined ? anchors(db) : anchors(db).where('id', '<', before)
  return asked(older.orderBy('id', 'desc').limit(limit).execute())
}

export async function readAnchor(db: Queries, id: number): Promise<AnchorRow | null> {
  return (await asked(anchors(db).where('id', '=', id).executeTakeFirst())) ?? null
}

/** Anchors with any of these roots (32 bytes each), on whatever chain, the oldest first. */
export async function findAnchorsByRoot(db: Queries, roots: readonly Buffer[]): Promise<AnchorRow[]> {
  if (roots.length === 0) return []
  return asked(anchors(db).where('root', 'in', roots).orderBy('id').execute())
}

/** All leaves ever sealed, in how many batches, and when the last of them was. */
export async function sealedTotals(
  db: Queries,
): Promise<{ leaves: number; batches: number; lastSealedAt: Date | null }> {
  const newest = db
    .selectFrom('batch')
    .select((eb) => [
      eb('first_index', '+', eb.ref('leaf_count')).as('leaves'),
      'id as batches',
      'sealed_at as lastSealedAt',
    ])
    .orderBy('id', 'desc')
    .limit(1)
  return (await asked(newest.executeTakeFirst())) ?? { leaves: 0, batches: 0, lastSealedAt: null }
}

async function asked<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer
  } catch (error) {
    throw asStoreError(error)
  }
}
