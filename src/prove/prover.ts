/**
 * In: a record hash. Out: where it stands, and its receipt once an anchor is mined. Reads only; every kind of thing
 * is one statement however many hashes are asked for; leaves are a second one where the earliest is in no anchor that
 * stands.
 */
import {
  type AnchorReason,
  type AnchorState,
  type RecordStatus,
  recordStatusOf,
} from '../core/anchor-state.ts'
import { type Hex, toHex } from '../core/hash.ts'
import { RECEIPT_FORMAT, type Receipt, type ReceiptAnchor, TREE_NAME } from '../core/receipt.ts'
import { type HashedTile, hashTile, leafOf, pathFromTiles, tilesOfPath } from '../merkle/path.ts'
import type { Pool } from '../store/connection/database.ts'
import { findEarliestLeaves, findLeavesFrom, nextStandingBatches } from '../store/index/find-leaves.ts'
import type { BatchAnchor, FoundLeaf } from '../store/index/leaf-rows.ts'
import { readTiles, type TileKey } from '../store/sealed/read-tiles.ts'
import { createTileCache, type TileAt } from './tile-cache.ts'

export type RecordView = {
  hash: Hex
  status: RecordStatus
  receivedAt: string
  source: string
  batch: { id: string; leafIndex: number }
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

export type Prover = {
  /** null when the hash is unknown or not sealed yet. */
  record(hash: Buffer): Promise<RecordView | null>
  receipt(hash: Buffer): Promise<ReceiptOutcome | null>
  /** One answer a hash, in order; `status` is `unknown` for a hash that is not known or not sealed yet. */
  receipts(
    hashes: readonly Buffer[],
  ): AsyncGenerator<Receipt | { hash: Hex; status: RecordStatus | 'unknown' }>
}

const HASHES_A_ROUND = 64
const CACHED_TILES = 2_048

export function createProver(deps: {
  /** A pool of its own, so that reads never starve ingest, nor the other way round. */
  pool: Pool
  /** The deadline of what was received at that instant, both in ms since the epoch; null when no chain is configured. */
  anchorBy(receivedAtMs: number): number | null
  /** What stands in the way of anchoring now, for records that are in no anchor yet. */
  pendingReason?(): AnchorReason | null
}): Prover {
  const { pool } = deps
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

  function anchorByOf({ origin, anchors }: FoundLeaf): string | null {
    const first = anchors[0]?.anchorByMs
    const deadline = deps.anchorBy(origin.receivedAtMs)
    const ms = first === undefined ? deadline : Math.min(first, deadline ?? first)
    return ms === null ? null : new Date(ms).toISOString()
  }

  function outcomeOf(hash: Buffer, leaf: FoundLeaf, tileAt: TileAt): ReceiptOutcome {
    const standing = leaf.anchors.filter(stands)
    if (standing.length > 0) return { kind: 'receipt', receipt: receiptOf(hash, leaf, standing, tileAt) }
    return { kind: 'pending', status: statusOf(leaf.anchors), anchorBy: anchorByOf(leaf) }
  }

  return {
    async record(hash) {
      const [leaf] = await locate([hash])
      if (!leaf) return null
      const { origin, anchors } = leaf
      const status = statusOf(anchors)
      const unanchored = status === 'sealed' || status === 'anchoring'
      const reason = unanchored
        ? (anchors.find((anchor) => anchor.reason)?.reason ?? deps.pendingReason?.())
        : undefined
      return {
        hash: toHex(hash),
        status,
        receivedAt: new Date(origin.receivedAtMs).toISOString(),
        source: origin.source,
        batch: { id: String(origin.batchId), leafIndex: origin.leafIndex },
        anchors: anchors.map(anchorView),
        anchorBy: anchorByOf(leaf),
        ...(reason ? { reason } : {}),
      }
    },

    async receipt(hash) {
      const [leaf] = await locate([hash])
      return leaf ? outcomeOf(hash, leaf, await tilesAbove([leaf])) : null
    },

    async *receipts(hashes) {
      for (let start = 0; start < hashes.length; start += HASHES_A_ROUND) {
        const round = hashes.slice(start, start + HASHES_A_ROUND)
        const leaves = await locate(round)
        const tileAt = await tilesAbove(leaves.filter((leaf) => leaf !== undefined))
        for (let i = 0; i < round.length; i++) {
          const hash = round[i]!
          const leaf = leaves[i]
          const outcome = leaf && outcomeOf(hash, leaf, tileAt)
          if (outcome?.kind === 'receipt') yield outcome.receipt
          else yield { hash: toHex(hash), status: outcome?.status ?? 'unknown' }
        }
      }
    },
  }
}

function isProvable({ anchors }: FoundLeaf): boolean {
  return anchors.some(stands)
}

function stands(anchor: BatchAnchor): boolean {
  return anchor.state === 'mined' || anchor.state === 'finalized'
}

/** The furthest that any chain has come. */
function statusOf(anchors: readonly BatchAnchor[]): RecordStatus {
  const order: AnchorState[] = ['finalized', 'mined', 'submitted', 'prepared']
  return recordStatusOf(order.find((state) => anchors.some((anchor) => anchor.state === state)))
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

function receiptOf(
  hash: Buffer,
  { origin, part }: FoundLeaf,
  standing: readonly BatchAnchor[],
  tileAt: TileAt,
): Receipt {
  const { batchId, leafIndex, leafCount } = origin
  const { leaf, path, root } = pathFromTiles(leafIndex, leafCount, part, ({ level, index }) => {
    const tile = tileAt({ batchId, level, index })
    if (!tile) throw new Error(`tile ${batchId}/${level}/${index} is missing`)
    return tile
  })
  if (!root.equals(origin.root)) throw new Error(`tiles of batch ${batchId} do not give its root`)
  return {
    format: RECEIPT_FORMAT,
    tree: TREE_NAME,
    hash: toHex(hash),
    receivedAt: new Date(origin.receivedAtMs).toISOString(),
    leaf: toHex(leaf),
    batch: { id: String(batchId), leafIndex, leafCount, root: toHex(root) },
    path: path.map(toHex),
    anchors: standing.map(receiptAnchorOf),
  }
}

function receiptAnchorOf(anchor: BatchAnchor): ReceiptAnchor {
  const path: Hex[] = []
  for (let at = 0; at < anchor.path.length; at += 32) path.push(toHex(anchor.path.subarray(at, at + 32)))
  return {
    chainId: `eip155:${anchor.chainId}`,
    registry: anchor.registry as Hex,
    publisher: anchor.publisher as Hex,
    root: toHex(anchor.root),
    path,
    transactionHash: toHex(anchor.transactionHash!),
    blockNumber: anchor.blockNumber!,
    blockHash: toHex(anchor.blockHash!),
    blockTime: new Date(anchor.blockTimeMs!).toISOString(),
    status: anchor.state === 'finalized' ? 'finalized' : 'mined',
  }
}
