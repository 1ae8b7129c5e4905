/**
 * Whether chain and database belong together. A chain that was begun anew has the same id as the one before it, and
 * knows nothing of its anchors; a database that was restored from a backup knows nothing of the anchors made since.
 */
import type { Hindrance } from '../core/anchor-state.ts'
import { toHex } from '../core/hash.ts'
import { countUnknownRoots, lastMinedAnchor } from '../store/chain/anchors.ts'
import { noteGenesis } from '../store/chain/chain-starts.ts'
import type { AnchorContext } from './context.ts'
import { anchoredRoots } from './contract/registry.ts'
import type { Sight } from './inspect.ts'
import { askOptional } from './optional.ts'
import { blockAt } from './rpc/chain-reads.ts'

/**
 * Compares the chain's first block with the one that was noted when the chain was first seen. Null when it is the same
 * or the endpoint does not show it.
 */
export async function anotherChain(context: AnchorContext, sight: Sight): Promise<Hindrance | null> {
  const { pool, chain, memory } = context
  if (memory.genesisSeen === sight.endpoint) return null
  const question = { endpoint: sight.endpoint, name: 'first block' }
  const first = await askOptional(context, question, () => blockAt(sight.ask, 0))
  if (first === null) return null
  const noted = await noteGenesis(pool, chain.chainId, first.hash)
  if (noted.equals(first.hash)) {
    memory.genesisSeen = sight.endpoint
    return null
  }
  const detail = `Chain ${chain.chainId} at ${sight.endpoint} is a new one: it begins with block ${toHex(first.hash)}, and the anchors here were made on one that begins with ${toHex(noted)}. Use an endpoint of that chain; for a new chain, use a new database.`
  return { reason: 'stuck', detail }
}

/** Blocks that are searched where no anchor says where to begin: most endpoints refuse more at once. */
const SEARCHED_BLOCKS = 10_000

/**
 * How many roots this key anchored on the chain that the database does not hold: it was restored from a backup, or
 * another installation signs with the key. Null when the endpoint does not tell.
 */
export async function rootsUnknownHere(context: AnchorContext, sight: Sight): Promise<number | null> {
  const { pool, chain, registry, signer } = context
  const last = await lastMinedAnchor(pool, chain.chainId)
  const from = last?.blockNumber == null ? sight.head - SEARCHED_BLOCKS : last.blockNumber + 1
  const query = { registry, publisher: signer.address, fromBlock: Math.max(0, from) }
  const question = { endpoint: sight.endpoint, name: 'anchored roots' }
  const roots = await askOptional(context, question, () => anchoredRoots(sight.ask, query))
  return roots === null ? null : countUnknownRoots(pool, chain.chainId, roots)
}
