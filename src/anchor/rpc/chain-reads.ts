import { toHex } from '../../core/hash.ts'
import type { Log } from '../contract/registry.ts'
import { orNull } from '../optional.ts'
import { askFor, bigQuantityOf, bytes32Of, fieldsOf, looseQuantityOf, quantityOf } from './answers.ts'
import type { Ask } from './endpoints.ts'
import { MalformedAnswerError, RpcAnswerError } from './json-rpc.ts'

export type Block = { number: number; hash: Buffer; time: Date }

export type TransactionReceipt = {
  succeeded: boolean
  blockNumber: number
  blockHash: Buffer
  /** Null where the endpoint does not say it. */
  gasUsed: number | null
  /** Wei, gas and (on rollups of the OP stack) data fee together; null where it cannot be reckoned. */
  feePaid: bigint | null
  logs: Log[]
}

/** The block of the canonical chain at this number or tag; null when the endpoint has none. */
export async function blockAt(ask: Ask, at: number | 'latest' | 'finalized'): Promise<Block | null> {
  const tag = typeof at === 'number' ? `0x${at.toString(16)}` : at
  return askFor(ask, 'eth_getBlockByNumber', [tag, false], (answer) => {
    const block = fieldsOf(answer)
    if (block === null) return null
    return {
      number: quantityOf(block.number),
      hash: bytes32Of(block.hash),
      time: new Date(quantityOf(block.timestamp) * 1000),
    }
  })
}

/** Null means only that this endpoint knows of no block with it: it may lag, it may come yet. */
export async function receiptOf(ask: Ask, hash: Buffer): Promise<TransactionReceipt | null> {
  const read = await askFor(ask, 'eth_getTransactionReceipt', [toHex(hash)], (answer) => {
    const receipt = fieldsOf(answer)
    if (receipt === null || receipt.blockHash === null || receipt.blockHash === undefined) return null
    if (!bytes32Of(receipt.transactionHash).equals(hash))
      throw new Error('the receipt of another transaction')
    return {
      // From before Byzantium a receipt has no status; whether it has the event is looked at in any case.
      succeeded: receipt.status == null || quantityOf(receipt.status) === 1,
      blockNumber: quantityOf(receipt.blockNumber),
      blockHash: bytes32Of(receipt.blockHash),
      gasUsed: looseQuantityOf(receipt.gasUsed),
      gasPrice: looseQuantityOf(receipt.effectiveGasPrice),
      dataFee: looseQuantityOf(receipt.l1Fee) ?? 0n,
      logs: logsOf(receipt.logs),
    }
  })
  if (read === null) return null
  const { gasUsed, gasPrice, dataFee, ...receipt } = read
  const price = gasPrice ?? (await gasPriceOf(ask, hash))
  return {
    ...receipt,
    gasUsed: gasUsed === null ? null : Number(gasUsed),
    feePaid: gasUsed === null || price === null ? null : gasUsed * price + dataFee,
  }
}

/** What a mined transaction pays a gas unit, from nodes whose receipts do not say it; null when they do not here either. */
async function gasPriceOf(ask: Ask, hash: Buffer): Promise<bigint | null> {
  return orNull(
    askFor(ask, 'eth_getTransactionByHash', [toHex(hash)], (answer) =>
      looseQuantityOf(fieldsOf(answer)?.gasPrice),
    ),
  )
}

function logsOf(value: unknown): Log[] {
  if (!Array.isArray(value)) throw new TypeError('no logs')
  return value.map((each) => {
    const { address, topics } = fieldsOf(each) ?? {}
    if (typeof address !== 'string' || !Array.isArray(topics)) throw new TypeError('not a log')
    return { address, topics: topics.map(String) }
  })
}

/** How many transactions of the address the chain holds, at a tag or block: the next nonce it takes. */
export async function nonceAt(ask: Ask, address: string, at: number | 'latest' | 'pending'): Promise<number> {
  const tag = typeof at === 'number' ? `0x${at.toString(16)}` : at
  return askFor(ask, 'eth_getTransactionCount', [address, tag], quantityOf)
}

/** The same with those that wait in the node's pool, where the node counts them. */
export async function pendingNonceOf(ask: Ask, address: string): Promise<number> {
  try {
    return await nonceAt(ask, address, 'pending')
  } catch (error) {
    if (!(error instanceof RpcAnswerError) && !(error instanceof MalformedAnswerError)) throw error
    return nonceAt(ask, address, 'latest')
  }
}

export async function balanceOf(ask: Ask, address: string): Promise<bigint> {
  return askFor(ask, 'eth_getBalance', [address, 'latest'], bigQuantityOf)
}

export async function hasCode(ask: Ask, address: string): Promise<boolean> {
  return askFor(ask, 'eth_getCode', [address, 'latest'], (code) => {
    if (typeof code !== 'string') throw new TypeError('no code')
    return code.length > 2
  })
}

/** Used where a chain has neither a `finalized` tag nor configured confirmations. */
const DEFAULT_CONFIRMATIONS = 64
/** geth's answer while it has not seen a final block yet. */
const NO_SUCH_BLOCK = -39001
/** Method or parameter not known. */
const TAG_NOT_KNOWN = new Set([-32601, -32602])

/**
 * Number of the newest block that counts as final: `confirmations` below the head when given, else the endpoint's
 * `finalized` tag, else 64 below the head. -1 when no block is.
 */
export async function finalizedHead(ask: Ask, head: number, confirmations?: number): Promise<number> {
  if (confirmations !== undefined) return head - confirmations
  try {
    const block = await blockAt(ask, 'finalized')
    return block === null ? -1 : block.number
  } catch (error) {
    if (!(error instanceof RpcAnswerError)) throw error
    if (error.code === NO_SUCH_BLOCK) return -1
    if (TAG_NOT_KNOWN.has(error.code)) return head - DEFAULT_CONFIRMATIONS
    // A limit or an internal error says nothing of the chain: taking it for a missing tag would call blocks final too early.
    throw error
  }
}
