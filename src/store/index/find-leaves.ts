/**
 * In: record hashes. Out: the leaves that stand for them, with everything that a receipt is made of but the tiles above
 * the lowest. One statement, however many hashes: several short ones would take longer than the work that they do. It
 * looks for the earliest leaf in the oldest run first, and no further than it is found: most records are in the largest
 * runs, which are the oldest. Everything read here is immutable but the anchors.
 */
import type { Pool } from '../connection/database.ts'
import { asStoreError } from '../connection/failures.ts'
import { type PreparedStatement, runPrepared } from '../connection/prepared.ts'
import { ENTRY_BYTES, KEY_BYTES } from './leaf-index.ts'
import { type FoundLeaf, leavesOf, type Row } from './leaf-rows.ts'

const FEW_BYTES = ENTRY_BYTES * 8

/** A record hash and its leaf, 32 bytes each. */
export type SoughtRecord = { hash: Buffer; leaf: Buffer }

/**
 * The earliest leaf of each hash; undefined when it is unknown or not sealed yet.
 * @throws HoldfastError DATABASE_UNAVAILABLE
 */
export function findEarliestLeaves(
  pool: Pool,
  records: readonly SoughtRecord[],
): Promise<(FoundLeaf | undefined)[]> {
  const keys = records.map(({ leaf }) => keyOf(leaf))
  return find(pool, EARLIEST, records, records.length === 1 ? [keys[0]!] : [arrayOf(keys)])
}

/**
 * The earliest leaf of each hash in its batch of `fromBatches` or a later one; undefined when there is none.
 * @throws HoldfastError DATABASE_UNAVAILABLE
 */
export function findLeavesFrom(
  pool: Pool,
  records: readonly SoughtRecord[],
  fromBatches: readonly number[],
): Promise<(FoundLeaf | undefined)[]> {
  const starts = fromBatches.map((batchId) => {
    const start = Buffer.alloc(ENTRY_BYTES - KEY_BYTES)
    start.writeUInt32BE(batchId)
    return start
  })
  const keys = records.map(({ leaf }) => keyOf(leaf))
  return find(pool, FROM_BATCH, records, [arrayOf(keys), arrayOf(starts)])
}

/**
 * For each batch id the next greater one that an anchor in a block holds; null when there is none. Tells whether a
 * later leaf of a hash can have a receipt where its earliest has none.
 * @throws HoldfastError DATABASE_UNAVAILABLE
 */
export async function nextStandingBatches(
  pool: Pool,
  batchIds: readonly number[],
): Promise<(number | null)[]> {
  try {
    const { rows } = await pool.query<{ next: number | null }>({
      name: 'next-standing-batches',
      text: `select (
          select ab.batch_id from anchor_batch ab join anchor a on a.id = ab.anchor_id
          where ab.batch_id > b.id and a.state in ('mined', 'finalized') order by ab.batch_id limit 1
        ) as next from unnest($1::int[]) with ordinality b (id, position) order by position`,
      values: [batchIds],
    })
    return rows.map(({ next }) => next)
  } catch (error) {
    throw asStoreError(error)
  }
}

/**
 * The runs in order of age, up to the first that has the hash. In a run, the pages that can hold the key: the last that
 * starts at or before `start` and, unless that one ends after the key, every following one that starts with the key. Pages
 * and entries come in order, so the first match is the earliest leaf. An entry counts only when the hash itself stands at
 * its place in the tile: eight bytes of a leaf may be another's, too.
 *
 * Of a page the eight entries from the key's first place are read; the whole page where the key has still more of them,
 * or its bytes happen to stand across two entries before. A tile without group roots (one group, or sealed before there
 * were any) is read whole.
 *
 * @param after the last eight bytes of the least entry that counts; null for all entries of the key
 */
function earliestOfKey(after: string | null): string {
  const start = `k.key || ${after ?? "'\\x0000000000000000'::bytea"}`
  const few = `first.at % ${ENTRY_BYTES} = 0 and substring(page.entries from first.at + ${FEW_BYTES + 1} for ${KEY_BYTES}) <> k.key`
  const part =
    after === null
      ? `case when ${few} then substring(page.entries from first.at + 1 for ${FEW_BYTES}) else page.entries end`
      : 'page.entries'
  const counts =
    after === null ? '' : `and substring(part.entries from i + ${KEY_BYTES + 1} for ${KEY_BYTES}) >= ${after}`
  return `
  select leaf.* from (select id from leaf_run order by tier desc, id) run left join lateral (
    select entries from leaf_page where run_id = run.id and first_entry <= ${start} order by first_entry desc limit 1
  ) before on true
  cross join lateral (
    select before.entries where before.entries is not null
    union all
    (select entries from leaf_page where run_id = run.id
       and first_entry > ${start} and first_entry <= k.key || '\\xffffffffffffffff'::bytea
       and (before.entries is null
         or substring(before.entries from length(before.entries) - ${ENTRY_BYTES - 1} for ${KEY_BYTES}) <= k.key)
     order by first_entry)
  ) page
  cross join lateral (select position(k.key in page.entries) - 1 as at offset 0) first
  cross join lateral (select ${part} as entries where first.at >= 0 offset 0) part
  cross join lateral (
    select e.batch_id, e.leaf, t.nodes, t.group_roots
    from (
      select ${int4At(8)} as batch_id, ${int4At(12)} as leaf
      from generate_series(0, length(part.entries) - 1, ${ENTRY_BYTES}) i
      where substring(part.entries from i + 1 for ${KEY_BYTES}) = k.key ${counts} offset 0
    ) e
    cross join lateral (
      select case when group_roots is null then nodes else substring(nodes from e.leaf % 256 / 32 * 1024 + 1 for 1024) end as nodes,
        group_roots
      from tile where batch_id = e.batch_id and level = 0 and index = e.leaf / 256 offset 0
    ) t
    where substring(t.nodes from case when t.group_roots is null then e.leaf % 256 else e.leaf % 32 end * 32 + 1 for 32) = k.hash
    limit 1
  ) leaf
  limit 1`
}

/** A big-endian integer of an entry. */
function int4At(offset: number): string {
  const byte = (n: number) => `(get_byte(part.entries, i + ${offset + n}) << ${24 - 8 * n})`
  return [0, 1, 2, 3].map(byte).join(' | ')
}

function findText(keys: string, after: string | null = null): string {
  return `
    select k.position, found.batch_id, found.leaf, found.nodes, found.group_roots, b.leaf_count, b.root,
      ${milliseconds('r.received_at')}, coalesce(s.name, 'unknown'),
      a.id, a.chain_id, a.registry, a.publisher, a.root, a.path, a.state, ${milliseconds('a.anchor_by')},
      a.transaction_hash, a.block_number, a.block_hash, ${milliseconds('a.block_time')}, a.reason
    from ${keys} cross join lateral (${earliestOfKey(after)}) found
    cross join lateral (select leaf_count, root from batch where id = found.batch_id offset 0) b
    cross join lateral (
      select source_id, received_at from arrival
      where batch_id = found.batch_id and first_leaf <= found.leaf order by first_leaf desc limit 1
    ) r
    left join lateral (select name from source where id = r.source_id offset 0) s on true
    left join lateral (
      select anchor.*, path from anchor_batch join anchor on anchor.id = anchor_id where batch_id = found.batch_id offset 0
    ) a on true`
}

function milliseconds(time: string): string {
  return `(extract(epoch from ${time}) * 1000)::float8`
}

const ONE_KEY = '(values ($1::bytea, $2::bytea, 1)) k (hash, key, position)'
const KEYS = 'unnest($1::bytea[], $2::bytea[]) with ordinality k (hash, key, position)'
const KEYS_AFTER =
  'unnest($1::bytea[], $2::bytea[], $3::bytea[]) with ordinality k (hash, key, after, position)'

/** For one hash, which is what is asked most, and for several. */
type FindStatements = { one?: PreparedStatement; many: PreparedStatement }

const EARLIEST: FindStatements = {
  one: { name: 'find-earliest-leaf', text: findText(ONE_KEY) },
  many: { name: 'find-earliest-leaves', text: findText(KEYS) },
}
const FROM_BATCH: FindStatements = {
  many: { name: 'find-leaves-from', text: findText(KEYS_AFTER, 'k.after') },
}

async function find(
  pool: Pool,
  { one, many }: FindStatements,
  records: readonly SoughtRecord[],
  bounds: (Buffer | string)[],
): Promise<(FoundLeaf | undefined)[]> {
  const alone = records.length === 1 && one !== undefined
  const hashes = alone ? records[0]!.hash : arrayOf(records.map(({ hash }) => hash))
  try {
    const rows = await runPrepared(pool, alone ? one : many, [hashes, ...bounds])
    return leavesOf(rows as unknown as Row[], records.length)
  } catch (error) {
    throw asStoreError(error)
  }
}

function keyOf(leaf: Buffer): Buffer {
  return leaf.subarray(0, KEY_BYTES)
}

/** An array of bytea, as text. */
function arrayOf(values: readonly Buffer[]): string {
  return `{${values.map((value) => String.raw`"\\x${value.toString('hex')}"`).join()}}`
}
