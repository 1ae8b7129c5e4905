import { type CopyMemory, copyOut } from '../connection/copy-out.ts'
import type { Connection, Pool } from '../connection/database.ts'
import { type PreparedStatement, runPrepared } from '../connection/prepared.ts'
import { asStoreError } from '../connection/unavailable.ts'

/** One row of the durable log: hashes of one source that were committed together. */
export type IntakeChunk = { sourceId: number; receivedAtMs: number; hashes: Uint8Array }

/** A chunk waiting to be sealed, without its hashes. */
export type PendingChunk = { id: number; sourceId: number; receivedAtMs: number; leafCount: number }

/**
 * Commits the chunks in one statement, so all or none. When it resolves they are on disk (`synchronous_commit` is on
 * for the pool's sessions). When it rejects after the statement left, they may be stored all the same.
 * @throws HoldfastError DATABASE_UNAVAILABLE
 */
export async function appendIntake(pool: Pool, chunks: readonly IntakeChunk[]): Promise<void> {
  const values: (Buffer | string)[] = []
  for (const { sourceId, receivedAtMs, hashes } of chunks) {
    values.push(
      String(sourceId),
      new Date(receivedAtMs).toISOString(),
      String(hashes.length / 32),
      Buffer.from(hashes.buffer, hashes.byteOffset, hashes.length),
    )
  }
  try {
    await runPrepared(pool, appendOf(chunks.length), values)
  } catch (error) {
    throw asStoreError(error)
  }
}

const appends = new Map<number, PreparedStatement>()

function appendOf(rows: number): PreparedStatement {
  let append = appends.get(rows)
  if (append === undefined) {
    const tuples = Array.from({ length: rows }, (_, row) => {
      const first = row * 4
      return `($${first + 1}, $${first + 2}, $${first + 3}, $${first + 4})`
    })
    const text = `insert into intake (source_id, received_at, leaf_count, hashes) values ${tuples.join(', ')}`
    append = { name: `append-intake-${rows}`, text }
    appends.set(rows, append)
  }
  return append
}

/** The oldest chunks not yet sealed, in arrival order, at most `limit` rows. */
export async function pendingChunks(client: Connection | Pool, limit: number): Promise<PendingChunk[]> {
  const { rows } = await client.query({
    name: 'pending-chunks',
    text: `select id, source_id as "sourceId", leaf_count as "leafCount",
             (extract(epoch from received_at) * 1000)::float8 as "receivedAtMs"
           from intake order by id limit $1`,
    values: [limit],
  })
  return rows
}

/** Id of the chunk that was numbered last among those committed, or null when none waits. */
export function newestChunkId(pool: Pool): Promise<number | null> {
  return oneId(pool, 'select id from intake order by id desc limit 1')
}

/** Id of the chunk that is sealed next, or null when none waits. */
export function oldestChunkId(pool: Pool): Promise<number | null> {
  return oneId(pool, 'select id from intake order by id limit 1')
}

async function oneId(pool: Pool, text: string): Promise<number | null> {
  const { rows } = await pool.query<{ id: number }>(text)
  return rows[0]?.id ?? null
}

/** When the chunk that is sealed next was received, ms since the epoch, or null when none waits. Reads one row. */
export async function oldestReceivedAt(pool: Pool): Promise<number | null> {
  const { rows } = await pool.query<{ ms: number }>(
    'select (extract(epoch from received_at) * 1000)::float8 as ms from intake order by id limit 1',
  )
  return rows[0]?.ms ?? null
}

/** How many hashes wait to be sealed, in how many chunks, and since when the oldest has (ms since the epoch, or null). */
export async function intakeBacklog(
  pool: Pool,
): Promise<{ leaves: number; chunks: number; oldestMs: number | null }> {
  const { rows } = await pool.query(
    `select coalesce(sum(leaf_count), 0)::float8 as leaves, count(*)::float8 as chunks,
       (extract(epoch from min(received_at)) * 1000)::float8 as "oldestMs" from intake`,
  )
  return rows[0]
}

/** Hashes of the chunks, in ascending order of id, read as bytes into `memory`, see `copyOut`. */
export async function readChunkHashes(
  client: Connection,
  ids: readonly number[],
  memory: CopyMemory,
): Promise<Buffer[]> {
  const list = ids.map((id) => BigInt(id)).join(', ')
  const rows = await copyOut(client, `select hashes from intake where id in (${list}) order by id`, memory)
  if (rows.length !== ids.length)
    throw new Error(`intake lost ${ids.length - rows.length} chunks under the seal lease`)
  return rows.map(([hashes]) => hashes!)
}

/** Removes exactly the chunks that were read, by id: a late commit may carry a lower id than one already read. */
export async function deleteChunks(client: Connection, ids: readonly number[]): Promise<void> {
  const { rowCount } = await client.query({
    name: 'delete-chunks',
    text: 'delete from intake where id = any($1::bigint[])',
    values: [ids],
  })
  if (rowCount !== ids.length)
    throw new Error(`expected to remove ${ids.length} chunks from intake, removed ${rowCount}`)
}

/**
 * Gives the space of removed chunks to the next ones, which then need no new pages. What is free at the table's end stays
 * for them too: giving it back would lock out whoever inserts, and autovacuum does it in quieter minutes.
 */
export async function reclaimChunks(pool: Pool): Promise<void> {
  await pool.query('vacuum (truncate false) intake')
}
