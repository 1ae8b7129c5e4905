import type { Connection, Pool } from '../connection/database.ts'

/** A chunk waiting to be sealed, without its hashes. `ageMs` is by the database's clock, as `receivedAtMs` is. */
export type PendingChunk = {
  id: number
  sourceId: number
  receivedAtMs: number
  ageMs: number
  leafCount: number
  /** Where it stands. */
  slot: number
}

export type Pending = {
  /** In arrival order. */
  chunks: PendingChunk[]
  /** The log holds nothing else. */
  complete: boolean
  /** Where the next look starts, so that more sources than one look reads have their turn. */
  nextSource: number
}

/** How many sources one look reads. */
const SOURCES = 1_024
/** Of each source at least this many chunks. */
const LEAST_CHUNKS = 16

/**
 * The oldest chunks of every source that has some: a long backlog of one source hides nothing of another. At most about
 * `limit` chunks, shared evenly, and of {@link SOURCES} sources, beginning with `fromSource`.
 */
export async function readPending(
  client: Connection | Pool,
  { limit, fromSource = 0 }: { limit: number; fromSource?: number },
): Promise<Pending> {
  const chunks = await readFrom(client, fromSource, limit)
  const sources = countBySource(chunks)
  if (sources.size === 0 && fromSource > 0) return readPending(client, { limit })
  const share = Math.max(LEAST_CHUNKS, Math.floor(limit / sources.size))
  const allSources = sources.size < SOURCES
  const cutOff = [...sources.values()].some((count) => count >= share)
  return {
    chunks: chunks.sort((a, b) => a.id - b.id),
    complete: allSources && fromSource === 0 && !cutOff,
    nextSource: allSources ? 0 : Math.max(...sources.keys()) + 1,
  }
}

/**
 * Walks the index from source to source, one probe each. Without a name, so that it is planned each time: the log is
 * empty in one moment and holds millions of rows in the next.
 */
async function readFrom(
  client: Connection | Pool,
  fromSource: number,
  limit: number,
): Promise<PendingChunk[]> {
  const { rows } = await client.query<PendingChunk>(
    `with recursive waiting (source_id, n) as (
       (select source_id, 1 from intake where source_id >= $1 order by source_id limit 1)
       union all
       select next.source_id, n + 1 from waiting cross join lateral (
         select source_id from intake where source_id > waiting.source_id order by source_id limit 1
       ) next where n < ${SOURCES}
     )
     select chunk.id, chunk.slot, source_id as "sourceId", chunk.leaf_count as "leafCount",
       (extract(epoch from chunk.received_at) * 1000)::float8 as "receivedAtMs",
       (extract(epoch from clock_timestamp() - chunk.received_at) * 1000)::float8 as "ageMs"
     from waiting cross join lateral (
       select id, leaf_count, received_at, slot from intake where source_id = waiting.source_id
       order by id limit (select greatest(${LEAST_CHUNKS}, $2::bigint / count(*)) from waiting)
     ) chunk`,
    [fromSource, limit],
  )
  return rows
}

function countBySource(chunks: readonly PendingChunk[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const { sourceId } of chunks) counts.set(sourceId, (counts.get(sourceId) ?? 0) + 1)
  return counts
}
