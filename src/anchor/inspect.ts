import type { Ask } from 'holdfast-client/rpc-values'
import type { Anchor } from '../store/chain/anchors.ts'
import type { Attempt } from '../store/chain/attempts.ts'
import { hasAnchored } from './contract/registry.ts'
import { type Block, blockAt, nonceAt, receiptOf, type TransactionReceipt } from './rpc/chain-reads.ts'

/** The chain as one pass sees it, through one endpoint. */
export type Sight = { endpoint: string; ask: Ask; head: number; finalized: number }

/** What the chain says of an anchor's transactions. Nothing is written here. */
export type Finding =
  /** In a block of the canonical chain, with the registry's event. */
  | { kind: 'mined'; attempt: Attempt; receipt: TransactionReceipt; block: Block; final: boolean }
  /** The nonce went to a no-op, or to a transaction that failed or left no event. */
  | {
      kind: 'spent'
      why: 'noop' | 'reverted' | 'no_event'
      attempt: Attempt
      receipt: TransactionReceipt
      block: Block
      final: boolean
    }
  /** Was mined, in a block that the chain has replaced. */
  | { kind: 'reorged' }
  /** In no block. `nonceSpent`: the account is past its nonce all the same. */
  | { kind: 'waiting'; nonceSpent: boolean }
  /** The endpoint is behind, or the chain is changing under the questions: look again later. */
  | { kind: 'unclear' }

/** Attempts on the anchor's living nonce, oldest first: those on lower nonces are over for good. */
export function livingAttempts(attempts: readonly Attempt[]): Attempt[] {
  const nonce = attempts.reduce((highest, attempt) => Math.max(highest, attempt.nonce), -1)
  return attempts.filter((attempt) => attempt.nonce === nonce)
}

/**
 * Looks up every living attempt, not only the last: an older one may win.
 * @throws what `sight.ask` throws
 */
export async function inspectAnchor(
  sight: Sight,
  anchor: Anchor,
  attempts: readonly Attempt[],
): Promise<Finding> {
  const living = livingAttempts(attempts)
  if (anchor.state === 'mined') {
    const still = await stillMined(sight, anchor, living)
    if (still !== null) return still
  }
  for (const attempt of living) {
    const finding = await inspectAttempt(sight, anchor, attempt)
    if (finding !== null) return finding
  }
  if (anchor.state === 'mined') {
    const block = await blockAt(sight.ask, anchor.blockNumber!)
    return block === null || block.hash.equals(anchor.blockHash!) ? { kind: 'unclear' } : { kind: 'reorged' }
  }
  const last = living.at(-1)
  if (last === undefined) return { kind: 'waiting', nonceSpent: false }
  return { kind: 'waiting', nonceSpent: (await nonceAt(sight.ask, last.address, 'latest')) > last.nonce }
}

/** One question for an anchor that is known to be mined: whether its block is still there. */
async function stillMined(sight: Sight, anchor: Anchor, living: readonly Attempt[]): Promise<Finding | null> {
  const block = await blockAt(sight.ask, anchor.blockNumber!)
  if (block === null || !block.hash.equals(anchor.blockHash!)) return null
  const attempt = living.find((each) => each.hash.equals(anchor.transactionHash!))
  if (attempt === undefined || block.number > sight.finalized) return { kind: 'unclear' }
  return inspectAttempt(sight, anchor, attempt)
}

async function inspectAttempt(sight: Sight, anchor: Anchor, attempt: Attempt): Promise<Finding | null> {
  const receipt = await receiptOf(sight.ask, attempt.hash)
  if (receipt === null) return null
  const block = await blockAt(sight.ask, receipt.blockNumber)
  if (block === null || !block.hash.equals(receipt.blockHash)) return { kind: 'unclear' }
  const final = receipt.blockNumber <= sight.finalized
  const expected = { registry: anchor.registry, publisher: attempt.address, root: anchor.root }
  if (attempt.kind === 'noop') return { kind: 'spent', why: 'noop', attempt, receipt, block, final }
  if (!receipt.succeeded) return { kind: 'spent', why: 'reverted', attempt, receipt, block, final }
  if (!hasAnchored(receipt.logs, expected)) {
    return { kind: 'spent', why: 'no_event', attempt, receipt, block, final }
  }
  return { kind: 'mined', attempt, receipt, block, final }
}

/** Whether a finalized anchor's block is gone from a chain that says it has finalized that far. */
export async function contradictsFinal(sight: Sight, anchor: Anchor): Promise<boolean> {
  if (anchor.blockNumber === null || anchor.blockHash === null) return false
  if (anchor.blockNumber > sight.finalized) return false
  const block = await blockAt(sight.ask, anchor.blockNumber)
  return block !== null && !block.hash.equals(anchor.blockHash)
}
