/**
 * In: record hashes. Out: the leaves that stand for them, with everything that a receipt is made of but the tiles above
 * the lowest. One statement, however many hashes: several short ones would take longer than the work that they do. It
 * looks for the earliest leaf in the oldest run first, and no further than it is found: most records are in the largest
 * runs, which are the oldest. Everything read here is immutable but the anchors.
 */
import pg from 'pg'
import type { AnchorReason, AnchorState } from '../../core/anchor-state.ts'
import type { Pool } from '../connection/database.ts'
import { type PreparedStatement, runPrepared } from '../connection/prepared.ts'
import { asStoreError } from '../connection/unavailable.ts'
import { ENTRY_BYTES, KEY_BYTES } from './leaf-index.ts'

/** A sealed record hash. */
export type FoundLeaf = {
  origin: LeafOrigin
  /** Every anchor of its batch, the oldest first. */
  anchors: BatchAnchor[]
  /** Of the tile of record hashes that it stands in: the 32 around it, and the tile's group roots. */
  part: { nodes: Buffer; groupRoots: Buffer }
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

/** How many leaves of one hash are looked at: the earliest, by batch and number. */
const LEAVES_A_HASH = 8
const FEW_BYTES = ENTRY_BYTES * 8

/** A record hash and its leaf, 32 bytes each. */
export type SoughtRecord = { hash: Buffer; leaf: Buffer }

/**
 * The earliest leaf of each hash; undefined when it is unknown or not sealed yet.
 * @throws HoldfastError DATABASE_UNAVAILABLE
 */
export async function findEarliestLeaves(
  pool: Pool,
  records: readonly SoughtRecord[],
): Promise<(FoundLeaf | undefined)[]> {
  const found = await find(pool, EARLIEST, records)
  return found.map(([leaf]) => leaf)
}

/**
 * For each hash its leaves, the earliest first, at most eight; none when it is unknown or not sealed yet.
 * @throws HoldfastError DATABASE_UNAVAILABLE
 */
export function findLeaves(pool: Pool, records: readonly SoughtRecord[]): Promise<FoundLeaf[][]> {
  return find(pool, ALL, records)
}

async function find(
  pool: Pool,
  statements: FindStatements,
  records: readonly SoughtRecord[],
): Promise<FoundLeaf[][]> {
  const found: Map<string, FoundLeaf>[] = records.map(() => new Map())
  for (const row of await askedFor(pool, statements, records)) {
    const [position, batchId, leafIndex] = row
    const leaves = found[Number(position) - 1]!
    const place = `${batchId}/${leafIndex}`
    let leaf = leaves.get(place)
    if (leaf === undefined) {
      leaf = leafOf(row.slice(0, LEAF_FIELDS) as LeafFields)
      leaves.set(place, leaf)
    }
    const anchor = row.slice(LEAF_FIELDS) as AnchorFields | NoAnchor
    if (anchor[0] !== null) leaf.anchors.push(anchorOf(anchor))
  }
  return found.map((leaves) => inOrder([...leaves.values()]))
}

/** Sorted here, because the server takes longer to get ready for sorting than this for all of it. */
function inOrder(leaves: FoundLeaf[]): FoundLeaf[] {
  for (const { anchors } of leaves) anchors.sort((a, b) => a.anchorId - b.anchorId)
  return leaves.sort(({ origin: a }, { origin: b }) => a.batchId - b.batchId || a.leafIndex - b.leafIndex)
}

/** Which leaves of a hash: those of the runs in order of age up to the first that has one, or of all runs. */
type Extent = { runs: string; order: string; limit: number }

const EARLIEST_LEAF: Extent = {
  runs: '(select id, tier from leaf_run order by tier desc, id)',
  // As the runs come: the first leaf ends the search.
  order: 'run.tier desc, run.id',
  limit: 1,
}
const ALL_LEAVES: Extent = { runs: 'leaf_run', order: 'leaf.batch_id, leaf.leaf', limit: LEAVES_A_HASH }

/**
 * For each run, the one or two pages in which entries with the key can begin: the last that starts before it and, where
 * that does not end after it, the next. Of such a page the eight entries from the key's first place; or all, where the key
 * has still more of them, or its bytes happen to stand across two entries before. An entry counts only when the hash itself
 * stands at its place in the tile: eight bytes of a leaf may be another's, too.
 *
 * A tile without group roots (one group, or sealed before there were any) is read whole.
 */
const leavesOfKey = ({ runs, order, limit }: Extent) => `
  select leaf.* from ${runs} run left join lateral (
    select entries from leaf_page where run_id = run.id
      and first_entry <= k.key || '\\x0000000000000000'::bytea order by first_entry desc limit 1
  ) before on true
  cross join lateral (
    select before.entries where before.entries is not null
    union all
    (select entries from leaf_page where run_id = run.id
       and first_entry > k.key || '\\x0000000000000000'::bytea and first_entry <= k.key || '\\xffffffffffffffff'::bytea
       and (before.entries is null
         or substring(before.entries from length(before.entries) - ${ENTRY_BYTES - 1} for ${KEY_BYTES}) <= k.key)
     order by first_entry limit 1)
  ) page
  cross join lateral (select position(k.key in page.entries) - 1 as at offset 0) first
  cross join lateral (
    select case when first.at % ${ENTRY_BYTES} = 0 and substring(page.entries from first.at + ${FEW_BYTES + 1} for ${KEY_BYTES}) <> k.key
             then substring(page.entries from first.at + 1 for ${FEW_BYTES}) else page.entries end as entries
    where first.at >= 0 offset 0
  ) part
  cross join lateral (
    select e.batch_id, e.leaf, t.nodes, t.group_roots
    from (
      select ${int4At(8)} as batch_id, ${int4At(12)} as leaf
      from generate_series(0, length(part.entries) - 1, ${ENTRY_BYTES}) i
      where substring(part.entries from i + 1 for ${KEY_BYTES}) = k.key offset 0
    ) e
    cross join lateral (
      select case when group_roots is null then nodes else substring(nodes from e.leaf % 256 / 32 * 1024 + 1 for 1024) end as nodes,
        group_roots
      from tile where batch_id = e.batch_id and level = 0 and index = e.leaf / 256 offset 0
    ) t
    where substring(t.nodes from case when t.group_roots is null then e.leaf % 256 else e.leaf % 32 end * 32 + 1 for 32) = k.hash
    limit ${limit}
  ) leaf
  order by ${order} limit ${limit}`

/** A big-endian integer of an entry. */
function int4At(offset: number): string {
  const byte = (n: number) => `(get_byte(part.entries, i + ${offset + n}) << ${24 - 8 * n})`
  return [0, 1, 2, 3].map(byte).join(' | ')
}

function findText(keys: string, extent: Extent): string {
  return `
    select k.position, found.batch_id, found.leaf, found.nodes, found.group_roots, b.leaf_count, b.root,
      ${milliseconds('r.received_at')}, coalesce(s.name, 'unknown'),
      a.id, a.chain_id, a.registry, a.publisher, a.root, a.path, a.state, ${milliseconds('a.anchor_by')},
      a.transaction_hash, a.block_number, a.block_hash, ${milliseconds('a.block_time')}, a.reason
    from ${keys} cross join lateral (${leavesOfKey(extent)}) found
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

const ONE_KEY = '(values ($1::bytea, $2::bytea, 1)) k (key, hash, position)'
const KEYS = 'unnest($1::bytea[], $2::bytea[]) with ordinality k (key, hash, position)'

/** For one hash, which is what is asked most, and for several. */
type FindStatements = { one: PreparedStatement; many: PreparedStatement }

const EARLIEST: FindStatements = {
  one: { name: 'find-earliest-leaf', text: findText(ONE_KEY, EARLIEST_LEAF) },
  many: { name: 'find-earliest-leaves', text: findText(KEYS, EARLIEST_LEAF) },
}
const ALL: FindStatements = {
  one: { name: 'find-leaves-of-one', text: findText(ONE_KEY, ALL_LEAVES) },
  many: { name: 'find-leaves', text: findText(KEYS, ALL_LEAVES) },
}

/** What `findText` selects, as text: first what is known of the leaf, then of an anchor of its batch, if it has one. */
type LeafFields = [
  position: string,
  batchId: string,
  leafIndex: string,
  nodes: string,
  groupRoots: string | null,
  leafCount: string,
  root: string,
  receivedAtMs: string,
  source: string,
]
type AnchorFields = [
  id: string,
  chainId: string,
  registry: string,
  publisher: string,
  root: string,
  path: string,
  state: AnchorState,
  anchorByMs: string,
  transactionHash: string | null,
  blockNumber: string | null,
  blockHash: string | null,
  blockTimeMs: string | null,
  reason: AnchorReason | null,
]
type NoAnchor = [id: null]
type Row = [...LeafFields, ...(AnchorFields | NoAnchor)]
const LEAF_FIELDS = 9

async function askedFor(
  pool: Pool,
  { one, many }: FindStatements,
  records: readonly SoughtRecord[],
): Promise<Row[]> {
  const keys = records.map(({ leaf }) => leaf.subarray(0, KEY_BYTES))
  const hashes = records.map(({ hash }) => hash)
  try {
    const rows =
      records.length === 1
        ? await runPrepared(pool, one, [keys[0]!, hashes[0]!])
        : await runPrepared(pool, many, [arrayOf(keys), arrayOf(hashes)])
    return rows as unknown as Row[]
  } catch (error) {
    throw asStoreError(error)
  }
}

/** An array of bytea, as text. */
function arrayOf(values: readonly Buffer[]): string {
  return `{${values.map((value) => String.raw`"\\x${value.toString('hex')}"`).join()}}`
}

const bytesOf = pg.types.getTypeParser(pg.types.builtins.BYTEA) as (text: string) => Buffer

function leafOf([
  ,
  batchId,
  leafIndex,
  nodes,
  groupRoots,
  leafCount,
  root,
  receivedAtMs,
  source,
]: LeafFields): FoundLeaf {
  return {
    origin: {
      batchId: Number(batchId),
      leafIndex: Number(leafIndex),
      leafCount: Number(leafCount),
      root: bytesOf(root),
      receivedAtMs: Number(receivedAtMs),
      source,
    },
    anchors: [],
    part: { nodes: bytesOf(nodes), groupRoots: orNull(groupRoots, bytesOf) ?? Buffer.alloc(0) },
  }
}

function anchorOf(fields: AnchorFields): BatchAnchor {
  const [id, chainId, registry, publisher, root, path, state, anchorByMs, ...mined] = fields
  const [transactionHash, blockNumber, blockHash, blockTimeMs, reason] = mined
  return {
    anchorId: Number(id),
    chainId: Number(chainId),
    registry,
    publisher,
    root: bytesOf(root),
    path: bytesOf(path),
    state,
    anchorByMs: Number(anchorByMs),
    transactionHash: orNull(transactionHash, bytesOf),
    blockNumber: orNull(blockNumber, Number),
    blockHash: orNull(blockHash, bytesOf),
    blockTimeMs: orNull(blockTimeMs, Number),
    reason,
  }
}

function orNull<Value>(text: string | null, read: (text: string) => Value): Value | null {
  return text === null ? null : read(text)
}
