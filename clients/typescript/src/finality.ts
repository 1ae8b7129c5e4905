import { blockAt } from './chain-reads.ts'
import { RpcAnswerError } from './json-rpc.ts'
import type { Ask } from './rpc-values.ts'

const DEFAULT_CONFIRMATIONS = 64

export async function finalizedHead(ask: Ask, head: number): Promise<number> {
  try {
    const block = await blockAt(ask, 'finalized')
    return block === null ? -1 : block.number
  } catch (error) {
    if (!(error instanceof RpcAnswerError)) throw error
    return head - DEFAULT_CONFIRMATIONS
  }
}
