import { type Hex, toHex } from '../core/hash.ts'
import { RECEIPT_FORMAT, type Receipt, type ReceiptAnchor, TREE_NAME } from '../core/receipt.ts'
import { pathFromTiles } from '../merkle/path.ts'
import type { BatchAnchor, FoundLeaf } from '../store/index/leaf-rows.ts'
import type { TileAt } from './tile-cache.ts'

/**
 * The receipt of a leaf, with the anchors that stand.
 * @throws Error when a tile is missing, or the tiles do not give the batch's root
 */
export function receiptOf(
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
