import type pg from 'pg'
import { type CopyWriter, openCopy } from '../connection/copy.ts'
import type { Pool } from '../connection/database.ts'
import type { PendingChunk } from '../intake/pending.ts'

export type NextBatch = { id: number; firstIndex: number }

/** The id and global position that the next batch gets. Ids have no gaps: only the holder of the seal lease asks. */
export async function nextBatch(client: pg.ClientBase): Promise<NextBatch> {
  const { rows } = await client.query<NextBatch>(
    'select id + 1 as id, first_index + leaf_count as "firstIndex" from batch order by id desc limit 1',
  )
  return rows[0] ?? { id: 1, firstIndex: 0 }
}

/** Tiles of the batch, by COPY on the seal transaction's connection. */
export function openTiles(client: pg.ClientBase): CopyWriter {
  return openCopy(client, 'tile', ['batch_id', 'level', 'index', 'nodes', 'group_roots'])
}

/** One row for each chunk, so that every leaf keeps its time and source. Neighbours that agree in both are one row. */
export async function copyArrivals(
  client: pg.ClientBase,
  batchId: number,
  chunks: readonly PendingChunk[],
): Promise<void> {
  const copy = openCopy(client, 'arrival', ['batch_id', 'first_leaf', 'source_id', 'received_at'])
  let firstLeaf = 0
  let previous: PendingChunk | undefined
  for (const chunk of chunks) {
    if (previous?.sourceId !== chunk.sourceId || previous.receivedAtMs !== chunk.receivedAtMs) {
      copy.row([
        { int4: batchId },
        { int4: firstLeaf },
        { int4: chunk.sourceId },
        { timestamptzMs: chunk.receivedAtMs },
      ])
      await copy.ready()
    }
    previous = chunk
    firstLeaf += chunk.leafCount
  }
  await copy.end()
}

export type SealedBatch = {
  id: number
  leafCount: number
  root: Buffer
  firstReceivedAtMs: number
  lastReceivedAtMs: number
  firstIndex: number
}

export async function insertBatch(client: pg.ClientBase, batch: SealedBatch): Promise<void> {
  await client.query(
    `insert into batch (id, leaf_count, root, first_received_at, last_received_at, first_index)
     values ($1, $2, $3, $4, $5, $6)`,
    [
      batch.id,
      batch.leafCount,
      batch.root,
      new Date(batch.firstReceivedAtMs),
      new Date(batch.lastReceivedAtMs),
      batch.firstIndex,
    ],
  )
}

/** Whether a batch of this range, both ends included, holds records of the source. */
export async function batchesHoldSource(
  pool: Pool,
  range: { firstBatch: number; lastBatch: number; sourceId: number },
): Promise<boolean> {
  const { rows } = await pool.query<{ found: boolean }>(
    'select exists (select 1 from arrival where batch_id between $1 and $2 and source_id = $3) as found',
    [range.firstBatch, range.lastBatch, range.sourceId],
  )
  return rows[0]!.found
}
