import type { Pool } from '../connection/database.ts'
import { asStoreError } from '../connection/failures.ts'

/** Where an acknowledged hash waits: the earliest of the chunks searched that holds it. */
export type PendingRecord = { source: string; receivedAtMs: number }

/** Up to this many hashes are sought one after the other in each chunk; more are cheaper compared with every hash. */
const FEW = 8
/** Rows of the log that one search reads at most, however small they are. */
const MAX_ROWS = 8_192

/**
 * Looks for hashes among those not sealed yet, in the newest chunks first, up to `maxHashes` hashes of them. Its work
 * is bounded by that, not by the backlog: 262,144 pending hashes take 8 ms for one hash, and 130 ms for any number.
 * @returns one entry a hash, in order; `complete` is false when older chunks wait that were not searched
 * @throws HoldfastError DATABASE_UNAVAILABLE
 */
export async function findPending(
  pool: Pool,
  hashes: readonly Buffer[],
  maxHashes: number,
): Promise<{ found: (PendingRecord | undefined)[]; complete: boolean }> {
  const statement = hashes.length <= FEW ? FIND_FEW : FIND_MANY
  let rows: { n: number | null; receivedAtMs: number; source: string; complete: boolean }[]
  try {
    rows = (await pool.query({ ...statement, values: [hashes, maxHashes, MAX_ROWS] })).rows
  } catch (error) {
    throw asStoreError(error)
  }
  const found: (PendingRecord | undefined)[] = new Array(hashes.length).fill(undefined)
  for (const { n, receivedAtMs, source } of rows) if (n !== null) found[n - 1] = { receivedAtMs, source }
  return { found, complete: rows[0]!.complete }
}

/** `hits` is a query of (n, id): which hash, counted from 1, is in which searched chunk. */
function statementOf(name: string, hits: string): { name: string; text: string } {
  const text = `
    with newest as (
      select id, source_id, received_at, leaf_count, hashes, sum(leaf_count) over (order by id desc) as running
      from (select * from intake order by id desc limit $3::int) rows
    ), searched as (
      select * from newest where running <= $2::bigint
    ), earliest as materialized (
      select n, min(id) as id from (${hits}) hits group by n
    )
    select hit.n, hit.source, hit."receivedAtMs",
      not exists (
        select from intake where id < coalesce((select min(id) from searched), 9223372036854775807)
      ) as complete
    from (select 1) always left join (
      select e.n::int as n, source.name as source,
        (extract(epoch from s.received_at) * 1000)::float8 as "receivedAtMs"
      from earliest e join searched s using (id) join source on source.id = s.source_id
    ) hit on true`
  return { name, text }
}

/**
 * position() scans 1 GB/s, and may hit across the border of two hashes. From its first hit on, only whole hashes
 * count. The chunk is read from its TOAST table once: otherwise every substring() reads it anew.
 */
const FIND_FEW = statementOf(
  'find-pending-few',
  `select sought.n, s.id
   from searched s
   cross join unnest($1::bytea[]) with ordinality sought(hash, n)
   cross join lateral (select position(sought.hash in s.hashes) as at offset 0) first
   where first.at > 0 and exists (
     with chunk as materialized (select s.hashes || ''::bytea as bytes)
     select from chunk, generate_series((first.at + 30) / 32, s.leaf_count - 1) i
     where substring(chunk.bytes from i * 32 + 1 for 32) = sought.hash)`,
)

/**
 * One pass over every pending hash, whatever the number of those sought. A join, not `= any`: with a generic plan the
 * server compares each pending hash with each one sought.
 */
const FIND_MANY = statementOf(
  'find-pending-many',
  `select sought.n, leaf.id
   from (
     with chunk as materialized (select id, leaf_count, hashes || ''::bytea as bytes from searched)
     select chunk.id, substring(chunk.bytes from i * 32 + 1 for 32) as hash
     from chunk, generate_series(0, leaf_count - 1) i offset 0
   ) leaf
   join unnest($1::bytea[]) with ordinality sought(hash, n) using (hash)`,
)
