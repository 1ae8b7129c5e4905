/**
 * In: a record hash. Out: where it stands, and its receipt once an anchor is mined. Reads only; every kind of thing
 * is one statement however many hashes are asked for.
 */
import {
  type AnchorReason,
  type AnchorState,
  type RecordStatus,
  recordStatusOf,
} from '../core/anchor-state.ts'
import { type Hex, toHex } from '../core/hash.ts'
import { RECEIPT_FORMAT, type Receipt, type ReceiptAnchor, TREE_NAME } from '../core/receipt.ts'
import { leafOf, pathFromTiles } from '../merkle/path.ts'
import type { Pool } from '../store/database.ts'
import { findLeaves } from '../store/leaf-index.ts'
import {
  type BatchAnchor,
  type LeafFacts,
  type LeafOrigin,
  readLeaves,
  readTiles,
  type TileKey,
  type TileText,
} from '../store/read-proofs.ts'
import { createTileCache } from './tile-cache.ts'

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

/** A sealed leaf with its batch's anchors. */
type Located = { hash: Buffer; origin: LeafOrigin; anchors: BatchAnchor[]; tiles: Map<string, TileText> }

const HASHES_A_ROUND = 64
const CACHED_TILES = 2_048
/** A tile's bytes, from when a path asks for it until it asks for the next. */
const scratch = Buffer.alloc(256 * 32)

export function createProver(deps: {
  /** A pool of its own, so that reads never starve ingest, nor the other way round. */
  pool: Pool
  /** The deadline of what was received at that instant, both in ms since the epoch; null when no chain is configured. */
  anchorBy(receivedAtMs: number): number | null
  /** What stands in the way of anchoring now, for records that are in no anchor yet. */
  pendingReason?(): AnchorReason | null
}): Prover {
  const { pool } = deps
  const tileCache = createTileCache((keys) => readTiles(pool, keys), CACHED_TILES)

  /** The earliest leaf of each hash whose anchor stands, or else its earliest leaf; null when there is none. */
  async function locate(hashes: readonly Buffer[]): Promise<(Located | null)[]> {
    const positions = await findLeaves(pool, hashes.map(leafOf))
    const candidates = positions.flatMap((found, i) =>
      found.map((position) => ({ ...position, hash: hashes[i]!, i })),
    )
    if (candidates.length === 0) return hashes.map(() => null)
    const [facts, tiles] = await readAll(candidates)
    const found = hashes.map((): Located[] => [])
    candidates.forEach(({ hash, i }, c) => {
      const { origin, anchors } = facts[c]!
      const tile = tiles.get(nameOf(lowestTileOf(origin)))
      const at = (origin.leafIndex % 256) * 64
      if (tile?.slice(at, at + 64) === hash.toString('hex')) found[i]!.push({ hash, origin, anchors, tiles })
    })
    return found.map((each) => each.find(({ anchors }) => anchors.some(stands)) ?? each[0] ?? null)
  }

  /**
   * What is known of each leaf, and all tiles that a path of any of them may need. Those above the lowest are few, and
   * held after a while; a level that a batch does not have is simply not there. Of the lowest there are too many for
   * holding them to be worth its garbage: each is read once a round, with the leaf.
   */
  async function readAll(
    leaves: readonly { batchId: number; leafIndex: number }[],
  ): Promise<[LeafFacts[], Map<string, TileText>]> {
    const tiles = new Map<string, TileText>()
    const asked = new Set<string>()
    const above = new Map<string, TileKey>()
    const wanted = leaves.map(({ batchId, leafIndex }) => {
      for (let level = 8; level <= 24; level += 8) {
        const key = { batchId, level, index: Math.floor(leafIndex / 2 ** (level + 8)) }
        above.set(nameOf(key), key)
      }
      const lowest = nameOf(lowestTileOf({ batchId, leafIndex }))
      const withTile = !asked.has(lowest)
      asked.add(lowest)
      return { batchId, leafIndex, withTile }
    })
    const [facts, found] = await Promise.all([readLeaves(pool, wanted), tileCache.get([...above.values()])])
    for (const { origin, tile } of facts) {
      if (tile !== undefined) tiles.set(nameOf(lowestTileOf(origin)), tile)
    }
    ;[...above.keys()].forEach((name, i) => {
      const tile = found[i]
      if (tile) tiles.set(name, tile)
    })
    return [facts, tiles]
  }

  function anchorByOf({ origin, anchors }: Located): string | null {
    const first = anchors[0]?.anchorByMs
    const deadline = deps.anchorBy(origin.receivedAtMs)
    const ms = first === undefined ? deadline : Math.min(first, deadline ?? first)
    return ms === null ? null : new Date(ms).toISOString()
  }

  function outcomeOf(located: Located): ReceiptOutcome {
    const standing = located.anchors.filter(stands)
    if (standing.length > 0) return { kind: 'receipt', receipt: receiptOf(located, standing) }
    return { kind: 'pending', status: statusOf(located.anchors), anchorBy: anchorByOf(located) }
  }

  return {
    async record(hash) {
      const [located] = await locate([hash])
      if (!located) return null
      const { origin, anchors } = located
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
        anchorBy: anchorByOf(located),
        ...(reason ? { reason } : {}),
      }
    },

    async receipt(hash) {
      const [located] = await locate([hash])
      return located ? outcomeOf(located) : null
    },

    async *receipts(hashes) {
      for (let start = 0; start < hashes.length; start += HASHES_A_ROUND) {
        const round = hashes.slice(start, start + HASHES_A_ROUND)
        const located = await locate(round)
        for (let i = 0; i < round.length; i++) {
          const each = located[i]
          const outcome = each ? outcomeOf(each) : null
          if (outcome?.kind === 'receipt') yield outcome.receipt
          else yield { hash: toHex(round[i]!), status: outcome?.status ?? 'unknown' }
        }
      }
    },
  }
}

function lowestTileOf({ batchId, leafIndex }: { batchId: number; leafIndex: number }): TileKey {
  return { batchId, level: 0, index: Math.floor(leafIndex / 256) }
}

function nameOf({ batchId, level, index }: TileKey): string {
  return `${batchId}/${level}/${index}`
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

function receiptOf({ hash, origin, tiles }: Located, standing: readonly BatchAnchor[]): Receipt {
  const { batchId, leafIndex, leafCount } = origin
  const { leaf, path, root } = pathFromTiles(leafIndex, leafCount, (level, index) => {
    const tile = tiles.get(nameOf({ batchId, level, index }))
    if (!tile) throw new Error(`tile ${batchId}/${level}/${index} is missing`)
    return scratch.subarray(0, scratch.write(tile, 'hex'))
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
