/** What one endpoint says now about the transaction, the block and the registry of an anchor. */
import { type Block, blockAt, receiptOf, type TransactionReceipt } from '../chain-reads.ts'
import { askFinalized, type FinalizedAnswer, finalityOf } from '../finality.ts'
import type { ReceiptAnchor } from '../format.ts'
import { type Ask, askFor, bigQuantityOf } from '../rpc-values.ts'
import { anchoredAtCall } from './registry-calls.ts'

/** The endpoint did not answer this question; `message` says why. */
export class Untold {
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

export type AnchorFacts = {
  /** The newest block, read after everything else. */
  head: Block
  /** Null: it knows of no block with the transaction. */
  transaction: TransactionReceipt | null | Untold
  /** Null: it has no such block. */
  block: Block | null | Untold
  /** The registry's record of the root, in seconds since the Unix epoch; 0 when it has none. */
  storedAt: bigint | Untold
  /** Number of the newest final block; -1 when no block is final. */
  finalized: number | Untold
}

/**
 * Five questions, four of them at once. The head comes after them: a block that was missing although the head is past
 * it is missing, not yet to come.
 * @throws what `ask` throws for the head
 */
export async function readFacts(ask: Ask, anchor: ReceiptAnchor): Promise<AnchorFacts> {
  const [transaction, block, storedAt, answer] = await Promise.all([
    told(receiptOf(ask, anchor.transactionHash)),
    told(blockAt(ask, anchor.blockNumber)),
    told(storedTime(ask, anchor)),
    told(askFinalized(ask)),
  ])
  const head = await blockAt(ask, 'latest')
  if (head === null) throw new Error('it has no newest block')
  return { head, transaction, block, storedAt, finalized: finalizedNumber(head.number, answer) }
}

function finalizedNumber(head: number, answer: FinalizedAnswer | Untold): number | Untold {
  if (answer instanceof Untold) return answer
  const { number, by } = finalityOf({ head, answer })
  return by === 'nothing' && answer.kind !== 'told' ? new Untold(answer.said) : number
}

/** Addresses without code answer `0x`. */
function storedTime(ask: Ask, { registry, publisher, root }: ReceiptAnchor): Promise<bigint> {
  const call = { to: registry, data: anchoredAtCall(publisher, root) }
  return askFor(ask, 'eth_call', [call, 'latest'], (answer) => {
    if (typeof answer !== 'string' || answer.trim().length !== 66)
      throw new TypeError('not one 32-byte number')
    return bigQuantityOf(answer)
  })
}

async function told<T>(answer: Promise<T>): Promise<T | Untold> {
  try {
    return await answer
  } catch (error) {
    return new Untold(error instanceof Error ? error.message : 'it gave no answer that could be used')
  }
}
