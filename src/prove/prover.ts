/**
 * In: a record hash. Out: where it stands, and its receipt once an anchor is mined. Reads only; every kind of thing
 * is one statement however many hashes are asked for; leaves are a second one where the earliest is in no anchor that
 * stands. A hash in no batch is looked for among those that wait to be sealed.
 */
import {
  type AnchorReason,
  type AnchorState,
  type RecordStatus,
  recordStatusOf,
} from '../core/anchor-state.ts'
import { hashes } from '../core/counted.ts'
import { type Hex, toHex } from '../core/hash.ts'
import type { Receipt } from '../core/receipt.ts'
import { type HashedTile, hashTile, leafOf, tilesOfPath } from '../merkle/path.ts'
import type { Pool } from '../store/connection/database.ts'
import { findEarliestLeaves, findLeavesFrom, nextStandingBatches } from '../store/index/find-leaves.ts'
import type { BatchAnchor, FoundLeaf } from '../store/index/leaf-rows.ts'
import { readTiles, type TileKey } from '../store/sealed/read-tiles.ts'
import { receiptOf } from './build-receipt.ts'
import { createPendingSearch, type PendingRecord, type Unsearched } from './pending-search.ts'
import { createTileCache, type TileAt } from './tile-cache.ts'

export type RecordView = {
  hash: Hex
  status: RecordStatus
  receivedAt: string
  source: string
  /** null while it waits to be sealed. */
  batch: { id: string; leafIndex: number } | null
  anchors: RecordAnchor[]
  /** When it must be anchored at the latest; null when no chain is configured. */
  anchorBy: string | null
  /** Why it is not anchored yet, when something is in the way. */
  reason?: AnchorReason
}

export type RecordAnchor = {
  id: string
  chainId: `eip155:${string}`
  root: Hex
  state: AnchorState
  transactionHash: Hex | null
  blockNumber: number | null
}

export type ReceiptOutcome =
  | { kind: 'receipt'; receipt: Receipt }
  | { kind: 'pending'; status: RecordStatus; anchorBy: string | null }

/** A hash that was not found; `unsearched` when more wait to be sealed than were searched. */
export type Unknown = { kind: 'unknown'; unsearched: Unsearched | null }

export type Prover = {
  /** @throws HoldfastError OVERLOADED, DATABASE_UNAVAILABLE */
  record(hash: Buffer): Promise<RecordView | Unknown>
  /** @throws HoldfastError OVERLOADED, DATABASE_UNAVAILABLE */
  receipt(hash: Buffer): Promise<ReceiptOutcome | Unknown>
  /**
   * One answer a hash, in order.
   * @throws HoldfastError OVERLOADED, DATABASE_UNAVAILABLE
   */
  receipts(hashes: readonly Buffer[]): AsyncGenerator<Receipt | ReceiptLine>
}

export type ReceiptLine = { hash: Hex; status: RecordStatus | 'unknown'; detail?: string }

const HASHES_A_ROUND = 64
const CACHED_TILES = 2_048

export function createProver(deps: {
  /** A pool of its own, so that reads never starve ingest, nor the other way round. */
  pool: Pool
  /** The deadline of what was received at that instant, both in ms since the epoch; null when no chain is configured. */
  anchorBy(receivedAtMs: number): number | null
  /** What stands in the way of anchoring now, for records that are in no anchor yet. */
  pendingReason?(): AnchorReason | null
  /** Hashes waiting to be sealed that one search reads at most. */
  searchedHashes?: number | undefined
}): Prover {
  const { pool } = deps
  const pendingSearch = createPendingSearch(pool, deps.searchedHashes)
  const tileCache = createTileCache(readHashed, CACHED_TILES)

  async function readHashed(keys: readonly TileKey[]): Promise<(HashedTile | undefined)[]> {
    const tiles = await readTiles(pool, keys)
    return tiles.map((tile, i) => tile && hashTile(keys[i]!, tile))
  }

  /** The earliest leaf of each hash whose anchor stands, or else its earliest leaf; undefined when there is none. */
  async function locate(hashes: readonly Buffer[]): Promise<(FoundLeaf | undefined)[]> {
    const records = hashes.map((hash) => ({ hash, leaf: leafOf(hash) }))
    const located = await findEarliestLeaves(pool, records)
    // Seldom, where a later batch was anchored before an earlier one. Each round skips the batches between.
    let open = located.flatMap((leaf, at) => (leaf && !isProvable(leaf) ? [{ at, leaf }] : []))
    while (open.length > 0) {
      const next = await nextStandingBatches(
        pool,
        open.map(({ leaf }) => leaf.origin.batchId),
      )
      const wanted = open.flatMap(({ at }, i) => (next[i] == null ? [] : [{ at, from: next[i] }]))
      if (wanted.length === 0) break
      const later = await findLeavesFrom(
        pool,
        wanted.map(({ at }) => records[at]!),
        wanted.map(({ from }) => from),
      )
      open = []
      for (const [i, { at }] of wanted.entries()) {
        const leaf = later[i]
        if (leaf === undefined) continue
        if (isProvable(leaf)) located[at] = leaf
        else open.push({ at, leaf })
      }
    }
    return located
  }

  /** The tiles above the lowest that receipts of these leaves need. They are few, and held after a while. */
  function tilesAbove(leaves: readonly FoundLeaf[]): Promise<TileAt> {
    const keys: TileKey[] = []
    for (const { origin, anchors } of leaves) {
      if (!anchors.some(stands)) continue
      const { batchId, leafIndex, leafCount } = origin
      const [, ...above] = tilesOfPath(leafIndex, leafCount)
      for (const { level, index } of above) keys.push({ batchId, level, index })
    }
    return tileCache.get(keys)
  }

  /**
   * Every hash's place: its leaf, or the chunk in which it waits to be sealed. A hash that was sealed between the two
   * looks is found by a third.
   */
  async function locateAll(hashes: readonly Buffer[]): Promise<Place[]> {
    const places = (await locate(hashes)).map((leaf) => placeOf(leaf, null))
    const missing = unknownIn(places)
    if (missing.length === 0) return places
    const { found, unsearched } = await pendingSearch.find(missing.map((at) => hashes[at]!))
    for (const [i, at] of missing.entries()) {
      const pending = found[i]
      if (pending) places[at] = { kind: 'accepted', ...pending }
    }
    const still = unknownIn(places)
    if (still.length === 0) return places
    const leaves = await locate(still.map((at) => hashes[at]!))
    for (const [i, at] of still.entries()) places[at] = placeOf(leaves[i], unsearched)
    return places
  }

  function anchorByOf(receivedAtMs: number, anchors: readonly BatchAnchor[]): string | null {
    const first = anchors[0]?.anchorByMs
    const deadline = deps.anchorBy(receivedAtMs)
    const ms = first === undefined ? deadline : Math.min(first, deadline ?? first)
    return ms === null ? null : new Date(ms).toISOString()
  }

  function outcomeOf(hash: Buffer, place: Place, tileAt: TileAt): ReceiptOutcome | Unknown {
    if (place.kind === 'unknown') return place
    const { receivedAtMs, anchors } = factsOf(place)
    const standing = anchors.filter(stands)
    if (place.kind === 'sealed' && standing.length > 0) {
      return { kind: 'receipt', receipt: receiptOf(hash, place.leaf, standing, tileAt) }
    }
    return { kind: 'pending', status: statusOf(place), anchorBy: anchorByOf(receivedAtMs, anchors) }
  }

  async function outcomesOf(hashes: readonly Buffer[]): Promise<(ReceiptOutcome | Unknown)[]> {
    const places = await locateAll(hashes)
    const tileAt = await tilesAbove(places.flatMap((place) => (place.kind === 'sealed' ? [place.leaf] : [])))
    return places.map((place, i) => outcomeOf(hashes[i]!, place, tileAt))
  }

  function recordOf(hash: Buffer, place: Exclude<Place, Unknown>): RecordView {
    const { receivedAtMs, source, batch, anchors } = factsOf(place)
    const status = statusOf(place)
    const unanchored = status !== 'anchored' && status !== 'finalized'
    const reason = unanchored
      ? (anchors.find((anchor) => anchor.reason)?.reason ?? deps.pendingReason?.())
      : undefined
    return {
      hash: toHex(hash),
      status,
      receivedAt: new Date(receivedAtMs).toISOString(),
      source,
      batch,
      anchors: anchors.map(anchorView),
      anchorBy: anchorByOf(receivedAtMs, anchors),
      ...(reason ? { reason } : {}),
    }
  }

  return {
    async record(hash) {
      const place = (await locateAll([hash]))[0]!
      return place.kind === 'unknown' ? place : recordOf(hash, place)
    },

    async receipt(hash) {
      return (await outcomesOf([hash]))[0]!
    },

    async *receipts(hashes) {
      for (let start = 0; start < hashes.length; start += HASHES_A_ROUND) {
        const round = hashes.slice(start, start + HASHES_A_ROUND)
        for (const [i, outcome] of (await outcomesOf(round)).entries()) yield lineOf(round[i]!, outcome)
      }
    },
  }
}

function isProvable({ anchors }: FoundLeaf): boolean {
  return anchors.some(stands)
}

/** Where a hash was found: in a batch, waiting to be sealed, or nowhere. */
type Place = { kind: 'sealed'; leaf: FoundLeaf } | ({ kind: 'accepted' } & PendingRecord) | Unknown

function placeOf(leaf: FoundLeaf | undefined, unsearched: Unsearched | null): Place {
  if (leaf) return { kind: 'sealed', leaf }
  return { kind: 'unknown', unsearched }
}

function unknownIn(places: readonly Place[]): number[] {
  return places.flatMap(({ kind }, at) => (kind === 'unknown' ? [at] : []))
}

function factsOf(place: Exclude<Place, Unknown>) {
  if (place.kind === 'accepted') {
    const { receivedAtMs, source } = place
    return { receivedAtMs, source, batch: null, anchors: [] }
  }
  const { origin, anchors } = place.leaf
  const { receivedAtMs, source, batchId, leafIndex } = origin
  return { receivedAtMs, source, batch: { id: String(batchId), leafIndex }, anchors }
}

function lineOf(hash: Buffer, outcome: ReceiptOutcome | Unknown): Receipt | ReceiptLine {
  if (outcome.kind === 'receipt') return outcome.receipt
  if (outcome.kind === 'pending') return { hash: toHex(hash), status: outcome.status }
  const detail = outcome.unsearched && describeUnsearched(outcome.unsearched)
  return { hash: toHex(hash), status: 'unknown', ...(detail ? { detail } : {}) }
}

/** A sentence for whoever asked about a hash that may be among those that were not searched. */
export function describeUnsearched({ waiting, oldestReceivedAt, searched }: Unsearched): string {
  const since = oldestReceivedAt === null ? '' : ` since ${oldestReceivedAt}`
  const wait = waiting === 1 ? 'waits' : 'wait'
  return `${hashes(waiting)} ${wait} to be sealed${since}, of which the newest ${searched} were searched. Ask again later.`
}

function stands(anchor: BatchAnchor): boolean {
  return anchor.state === 'mined' || anchor.state === 'finalized'
}

/** The furthest that any chain has come. */
function statusOf(place: Exclude<Place, Unknown>): RecordStatus {
  if (place.kind === 'accepted') return 'accepted'
  const order: AnchorState[] = ['finalized', 'mined', 'submitted', 'prepared']
  return recordStatusOf(order.find((state) => place.leaf.anchors.some((anchor) => anchor.state === state)))
}

function anchorView(anchor: BatchAnchor): RecordAnchor {
  return {
    id: String(anchor.anchorId),
    chainId: `eip155:${anchor.chainId}`,
    root: toHex(anchor.root),
    state: anchor.state,
    transactionHash: anchor.transactionHash && toHex(anchor.transactionHash),
    blockNumber: anchor.blockNumber,
  }
}
