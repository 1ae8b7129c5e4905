/** What a look-up's statement selects, and what is made of it. */
import pg from 'pg'
import type { AnchorReason, AnchorState } from '../../core/anchor-state.ts'

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
export type Row = [...LeafFields, ...(AnchorFields | NoAnchor)]
const LEAF_FIELDS = 9

/** The leaf of each of `count` records, by the rows' positions; undefined where there is no row. */
export function leavesOf(rows: readonly Row[], count: number): (FoundLeaf | undefined)[] {
  const found: (FoundLeaf | undefined)[] = Array.from({ length: count }, () => undefined)
  for (const row of rows) {
    const place = Number(row[0]) - 1
    const leaf = found[place] ?? leafOf(row.slice(0, LEAF_FIELDS) as LeafFields)
    found[place] = leaf
    const anchor = row.slice(LEAF_FIELDS) as AnchorFields | NoAnchor
    if (anchor[0] !== null) leaf.anchors.push(anchorOf(anchor))
  }
  // Sorted here: the server takes longer to prepare a sort than this for all of it.
  for (const leaf of found) leaf?.anchors.sort((a, b) => a.anchorId - b.anchorId)
  return found
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
