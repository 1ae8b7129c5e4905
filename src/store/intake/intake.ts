import { type CopyMemory, copyOut } from '../connection/copy-out.ts'
import type { Connection, Pool } from '../connection/database.ts'
import { asStoreError } from '../connection/failures.ts'
import { type PreparedStatement, runPrepared } from '../connection/prepared.ts'
import type { PendingChunk } from './pending.ts'
import { createSlotTurns, slotTable } from './slots.ts'

/** One row of the durable log: hashes of one source that were committed together. */
export type IntakeChunk = { sourceId: number; hashes: Uint8Array }

/**
 * Commits the chunks in one statement, so all or none. When it resolves they are on disk (`synchronous_commit` is on
 * for the pool's sessions). When it rejects after the statement left, they may be stored all the same.
 * @param slot where they stand, see `createSlotTurns`
 * @returns when the database received them, whole ms since the epoch by its own clock, the same for all chunks
 * @throws HoldfastError DATABASE_UNAVAILABLE
 */
export async function appendIntake(pool: Pool, chunks: readonly IntakeChunk[], slot = 0): Promise<number> {
  const values: (Buffer | string)[] = []
  for (const { sourceId, hashes } of chunks) {
    values.push(
      String(sourceId),
      String(hashes.length / 32),
      Buffer.from(hashes.buffer, hashes.byteOffset, hashes.length),
    )
  }
  try {
    const rows = await runPrepared(pool, appendOf(slot, chunks.length), values)
    return Number(rows[0]![0])
  } catch (error) {
    throw asStoreError(error)
  }
}

/** {@link appendIntake} into slots that take turns. */
export function createIntakeAppender(pool: Pool): (chunks: readonly IntakeChunk[]) => Promise<number> {
  const slotOf = createSlotTurns()
  return (chunks) => {
    const bytes = chunks.reduce((sum, { hashes }) => sum + hashes.length, 0)
    return appendIntake(pool, chunks, slotOf(bytes, chunks.length))
  }
}

/** When the statement arrived. Stored in whole milliseconds: the acknowledgement and the receipt state the same time. */
const RECEIVED_AT = `date_trunc('milliseconds', now())`

const appends = new Map<string, PreparedStatement>()

/** Into the slot's own table: through the parent each statement would look for the partition first. */
function appendOf(slot: number, rows: number): PreparedStatement {
  const name = `append-intake-${slot}-${rows}`
  let append = appends.get(name)
  if (append === undefined) {
    const tuples = Array.from({ length: rows }, (_, row) => {
      const first = row * 3
      return `(${RECEIVED_AT}, $${first + 1}, $${first + 2}, $${first + 3})`
    })
    const text = `insert into ${slotTable(slot)} (received_at, source_id, leaf_count, hashes) values ${tuples.join(', ')}
      returning (extract(epoch from received_at) * 1000)::bigint`
    append = { name, text }
    appends.set(name, append)
  }
  return append
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

/** For how many ms the chunk that is sealed next has waited, by the database's clock; null when none waits. Reads one row. */
export async function oldestAgeMs(pool: Pool): Promise<number | null> {
  const { rows } = await pool.query<{ ms: number }>(
    'select (extract(epoch from clock_timestamp() - received_at) * 1000)::float8 as ms from intake order by id limit 1',
  )
  return rows[0]?.ms ?? null
}

/**
 * How many hashes wait to be sealed, in how many chunks, when the oldest was received (ms since the epoch) and for how
 * many ms it has waited, both by the database's clock and null when none waits.
 */
export async function intakeBacklog(
  pool: Pool,
): Promise<{ leaves: number; chunks: number; oldestMs: number | null; oldestAgeMs: number | null }> {
  const { rows } = await pool.query(
    `select coalesce(sum(leaf_count), 0)::float8 as leaves, count(*)::float8 as chunks,
       (extract(epoch from min(received_at)) * 1000)::float8 as "oldestMs",
       (extract(epoch from clock_timestamp() - min(received_at)) * 1000)::float8 as "oldestAgeMs" from intake`,
  )
  return rows[0]
}

type StoredChunk = Pick<PendingChunk, 'id' | 'slot'>

/** Hashes of the chunks, in their order, read as bytes into `memory`, see `copyOut`. */
export async function readChunkHashes(
  client: Connection,
  chunks: readonly StoredChunk[],
  memory: CopyMemory,
): Promise<Buffer[]> {
  const bySlot = [...idsBySlot(chunks)].map(
    ([slot, ids]) =>
      `select id, hashes from ${slotTable(slot)} where id in (${ids.map((id) => BigInt(id)).join(', ')})`,
  )
  const rows = await copyOut(client, bySlot.join(' union all '), memory)
  const byId = new Map(rows.map(([id, hashes]) => [Number(id!.readBigInt64BE()), hashes!]))
  return chunks.map(({ id }) => {
    const hashes = byId.get(id)
    if (hashes === undefined) throw new Error(`intake lost chunk ${id} under the seal lease`)
    return hashes
  })
}

/** Removes exactly the chunks that were read, by id: a late commit may carry a lower id than one already read. */
export async function deleteChunks(client: Connection, chunks: readonly StoredChunk[]): Promise<void> {
  let removed = 0
  for (const [slot, ids] of idsBySlot(chunks)) {
    const { rowCount } = await client.query({
      name: `delete-chunks-${slot}`,
      text: `delete from ${slotTable(slot)} where id = any($1::bigint[])`,
      values: [ids],
    })
    removed += rowCount ?? 0
  }
  if (removed !== chunks.length)
    throw new Error(`expected to remove ${chunks.length} chunks from intake, removed ${removed}`)
}

function idsBySlot(chunks: readonly StoredChunk[]): Map<number, number[]> {
  const bySlot = new Map<number, number[]>()
  for (const { id, slot } of chunks) {
    const ids = bySlot.get(slot)
    if (ids) ids.push(id)
    else bySlot.set(slot, [id])
  }
  return bySlot
}
