/**
 * The leaf index: from a leaf to where it stands. An entry is 16 bytes, big-endian so that bytewise order is the
 * order of (key, batch, leaf): the leaf's first 8 bytes, the batch id (4), the leaf's number in the batch (4).
 * Entries lie sorted in runs, packed 499 to a page: 7,984 bytes are exactly four TOAST chunks of 1,996.
 */
import type pg from 'pg'
import { asStoreError } from './unavailable.ts'

export const ENTRY_BYTES = 16
const KEY_BYTES = 8
export const PAGE_ENTRIES = 499

export type LeafPosition = { batchId: number; leafIndex: number }

/**
 * Candidates for each leaf, the earliest first, at most `limit` a leaf: every entry whose key equals the leaf's first
 * 8 bytes. The caller compares the full hash in the tile, because 8 bytes may collide.
 *
 * One statement whatever the number of runs. In each run an entry with the key can only begin in the last page that
 * starts at or before it, or in the page after; pages that do not contain the key's bytes stay in the database.
 * @param leaves 32-byte leaves (not hashes)
 * @throws HoldfastError DATABASE_UNAVAILABLE
 */
export async function findLeaves(
  pool: pg.Pool,
  leaves: readonly Uint8Array[],
  limit = 8,
): Promise<LeafPosition[][]> {
  const keys = leaves.map((leaf) => Buffer.from(leaf.subarray(0, KEY_BYTES)))
  try {
    const { rows } =
      keys.length === 1 ? await probeOne(pool, keys[0]!, limit) : await probeMany(pool, keys, limit)
    const found: LeafPosition[][] = keys.map(() => [])
    for (const row of rows) {
      const position: number = row.length === 1 ? 0 : row[0]
      collect(row.at(-1), keys[position]!, found[position]!, limit)
    }
    for (const each of found) {
      each.sort((a, b) => a.batchId - b.batchId || a.leafIndex - b.leafIndex)
      each.splice(limit)
    }
    return found
  } catch (error) {
    throw asStoreError(error)
  }
}

/**
 * `limit` entries from the key's first place in each page; the whole page where its bytes happen to stand across two
 * entries before. Sending 128 bytes instead of 8 KB as hex text is most of a look-up's time.
 */
const ENTRIES_OF_KEY = `
  from leaf_run r cross join lateral (
    (select entries from leaf_page where run_id = r.id and first_entry <= k.low order by first_entry desc limit 1)
    union all
    (select entries from leaf_page where run_id = r.id and first_entry > k.low and first_entry <= k.high
     order by first_entry limit 1)
  ) p
  cross join lateral (select position(k.key in p.entries) - 1 as at offset 0) f
  cross join lateral (
    select case when f.at % ${ENTRY_BYTES} = 0 then substring(p.entries from f.at + 1 for ${ENTRY_BYTES} * $4::int) else p.entries end
      as entries
  ) e where f.at >= 0`

function probeOne(pool: pg.Pool, key: Buffer, limit: number): Promise<pg.QueryArrayResult> {
  return pool.query({
    name: 'probe-leaf',
    text: `select p.entries from (values ($1::bytea, $2::bytea, $3::bytea)) k (key, low, high)
           cross join lateral (select e.entries ${ENTRIES_OF_KEY}) p`,
    values: [key, lowest(key), highest(key), limit],
    rowMode: 'array',
  })
}

function probeMany(pool: pg.Pool, keys: readonly Buffer[], limit: number): Promise<pg.QueryArrayResult> {
  return pool.query({
    name: 'probe-leaves',
    text: `select (k.position - 1)::int, p.entries
           from unnest($1::bytea[], $2::bytea[], $3::bytea[]) with ordinality k (key, low, high, position)
           cross join lateral (select e.entries ${ENTRIES_OF_KEY}) p`,
    values: [keys, keys.map(lowest), keys.map(highest), limit],
    rowMode: 'array',
  })
}

function lowest(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.alloc(ENTRY_BYTES - KEY_BYTES)])
}

function highest(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.alloc(ENTRY_BYTES - KEY_BYTES, 0xff)])
}

/** Appends the page's entries with this key, in order, until `limit` are held. */
function collect(entries: Buffer, key: Buffer, into: LeafPosition[], limit: number): void {
  let low = 0
  let high = entries.length / ENTRY_BYTES
  while (low < high) {
    const middle = (low + high) >>> 1
    const at = middle * ENTRY_BYTES
    if (entries.compare(key, 0, KEY_BYTES, at, at + KEY_BYTES) < 0) low = middle + 1
    else high = middle
  }
  // The limit holds per page and run: a key that fills pages (one hash pushed a million times) stays cheap, and the
  // earliest entry of every run is among those taken.
  let taken = 0
  for (let at = low * ENTRY_BYTES; at < entries.length && taken < limit; at += ENTRY_BYTES, taken++) {
    if (entries.compare(key, 0, KEY_BYTES, at, at + KEY_BYTES) !== 0) return
    into.push({ batchId: entries.readUInt32BE(at + 8), leafIndex: entries.readUInt32BE(at + 12) })
  }
}
