import type { ChainConfig } from '../core/chain-config.ts'
import { insertAnchor, unanchoredBatches } from '../store/chain/anchors.ts'
import type { Pool } from '../store/connection/database.ts'
import { inLease } from '../store/connection/lease-transaction.ts'
import type { Lease } from '../store/connection/leases.ts'
import { registryOf } from './contract/registry.ts'

/** A Merkle tree over batch roots; `roots` is n x 32 bytes, `pathOf` gives siblings, lowest first. */
export type AnchorTree = (roots: Uint8Array) => { root: Buffer; pathOf(index: number): Buffer[] }

/** A tree over more batch roots than this is left to the next tick. */
const MAX_BATCHES = 65_536

/** `full`: there may be more batches than one tree holds. */
export type Planned = { id: number; batches: number; leaves: number; full: boolean }

/**
 * In: batches that belong to no anchor of this chain. Out: one anchor over them, `prepared`, with every batch's path,
 * in one transaction; null when there are none. Killed before its commit, nothing has happened; after it, the anchor
 * keeps this root for life, whatever becomes of its transactions.
 * @param anchorByOf when a record received then must be anchored; both in ms since the epoch
 * @throws HoldfastError LEASE_LOST
 */
export async function planAnchor(deps: {
  pool: Pool
  lease: Lease
  chain: ChainConfig
  publisher: string
  anchorTree: AnchorTree
  anchorByOf: (receivedAtMs: number) => number
  maxBatches?: number
}): Promise<Planned | null> {
  const { pool, lease, chain } = deps
  const maxBatches = deps.maxBatches ?? MAX_BATCHES
  const batches = await unanchoredBatches(pool, chain.chainId, maxBatches)
  const first = batches[0]
  const last = batches.at(-1)
  if (first === undefined || last === undefined) return null

  const tree = deps.anchorTree(Buffer.concat(batches.map((batch) => batch.root)))
  const leaves = batches.reduce((sum, batch) => sum + batch.leafCount, 0)
  const oldest = batches.reduce((time, batch) => Math.min(time, batch.waitsSince.getTime()), Infinity)
  const id = await inLease(pool, lease, (client) =>
    insertAnchor(
      client,
      {
        chainId: chain.chainId,
        registry: registryOf(chain),
        publisher: deps.publisher,
        mode: chain.mode,
        root: tree.root,
        firstBatch: first.id,
        lastBatch: last.id,
        leafCount: leaves,
        anchorBy: new Date(deps.anchorByOf(oldest)),
      },
      membersOf(batches, tree),
    ),
  )
  return { id, batches: batches.length, leaves, full: batches.length === maxBatches }
}

/** One at a time, as they are written: all paths at once would hold up the event loop for a second. */
function* membersOf(
  batches: readonly { id: number }[],
  tree: ReturnType<AnchorTree>,
): Generator<{ batchId: number; path: Buffer }> {
  for (const [index, { id }] of batches.entries()) {
    yield { batchId: id, path: Buffer.concat(tree.pathOf(index)) }
  }
}
