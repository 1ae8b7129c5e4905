/** The reads of holdfast-client, with hashes as Buffers, times as Dates, and what only the daemon asks. */
import * as reads from 'holdfast-client/chain-reads'
import { RpcAnswerError } from 'holdfast-client/json-rpc'
import {
  type Ask,
  askFor,
  bigQuantityOf,
  bytesOf,
  fieldsOf,
  MalformedAnswerError,
  maybeQuantityOf,
  quantityOf,
} from 'holdfast-client/rpc-values'
import { type Hex, toHex } from '../../core/hash.ts'
import { orNull } from '../optional.ts'

export type Block = { number: number; hash: Buffer; time: Date }

export type TransactionReceipt = {
  succeeded: boolean
  blockNumber: number
  blockHash: Buffer
  /** Null where the endpoint does not say it. */
  gasUsed: number | null
  /** Wei, gas and (on rollups of the OP stack) data fee together; null where it cannot be reckoned. */
  feePaid: bigint | null
  logs: reads.Log[]
}

/** The block of the canonical chain at this number or tag; null when the endpoint has none. */
export async function blockAt(ask: Ask, at: number | 'latest' | 'finalized'): Promise<Block | null> {
  const block = await reads.blockAt(ask, at)
  if (block === null) return null
  return { number: block.number, hash: bytesFrom(block.hash), time: new Date(block.timestamp * 1000) }
}

/** Null means only that this endpoint knows of no block with it: it may lag, it may come yet. */
export async function receiptOf(ask: Ask, hash: Buffer): Promise<TransactionReceipt | null> {
  const receipt = await reads.receiptOf(ask, toHex(hash))
  if (receipt === null) return null
  const { succeeded, blockNumber, gasUsed, logs } = receipt
  const price = receipt.effectiveGasPrice ?? (await gasPriceOf(ask, hash))
  return {
    succeeded,
    blockNumber,
    blockHash: bytesFrom(receipt.blockHash),
    gasUsed: gasUsed === null ? null : Number(gasUsed),
    feePaid: gasUsed === null || price === null ? null : gasUsed * price + (receipt.l1Fee ?? 0n),
    logs,
  }
}

/** What a mined transaction pays a gas unit, from nodes whose receipts do not say it; null when they do not here either. */
async function gasPriceOf(ask: Ask, hash: Buffer): Promise<bigint | null> {
  return orNull(
    askFor(ask, 'eth_getTransactionByHash', [toHex(hash)], (answer) =>
      maybeQuantityOf(fieldsOf(answer)?.gasPrice),
    ),
  )
}

function bytesFrom(hex: Hex): Buffer {
  return Buffer.from(hex.slice(2), 'hex')
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

/** The contract's bytes, lower-case; `0x` for none. */
export async function codeAt(ask: Ask, address: string): Promise<Hex> {
  return askFor(ask, 'eth_getCode', [address, 'latest'], bytesOf)
}

export async function hasCode(ask: Ask, address: string): Promise<boolean> {
  return (await codeAt(ask, address)) !== '0x'
}
