import { HoldfastError } from '../core/errors.ts'
import { toHex } from '../core/hash.ts'
import type { Ask } from './endpoints.ts'
import { RpcAnswerError } from './json-rpc.ts'
import type { Log } from './registry.ts'

export type Block = { number: number; hash: Buffer; time: Date }

export type TransactionReceipt = {
  succeeded: boolean
  blockNumber: number
  blockHash: Buffer
  gasUsed: number
  /** Wei, gas and (on rollups of the OP stack) data fee together. */
  feePaid: bigint
  logs: Log[]
}

/** The block of the canonical chain at this number or tag; null when the endpoint has none. */
export async function blockAt(ask: Ask, at: number | 'latest' | 'finalized'): Promise<Block | null> {
  const tag = typeof at === 'number' ? quantity(at) : at
  const block = (await ask('eth_getBlockByNumber', [tag, false])) as Record<string, string> | null
  if (block === null || block === undefined) return null
  return {
    number: Number(block.number),
    hash: bytes32(block.hash),
    time: new Date(Number(block.timestamp) * 1000),
  }
}

/** Null means only that this endpoint knows of no block with it: it may lag, it may come yet. */
export async function receiptOf(ask: Ask, hash: Buffer): Promise<TransactionReceipt | null> {
  const receipt = (await ask('eth_getTransactionReceipt', [toHex(hash)])) as Record<string, unknown> | null
  if (receipt === null || receipt === undefined || typeof receipt.blockHash !== 'string') return null
  if (String(receipt.transactionHash).toLowerCase() !== toHex(hash)) {
    throw new HoldfastError(
      'CHAIN_UNAVAILABLE',
      'An RPC endpoint returned the receipt of another transaction.',
    )
  }
  const gasUsed = Number(receipt.gasUsed)
  return {
    succeeded: Number(receipt.status) === 1,
    blockNumber: Number(receipt.blockNumber),
    blockHash: bytes32(receipt.blockHash),
    gasUsed,
    feePaid: BigInt(gasUsed) * weiOf(receipt.effectiveGasPrice) + weiOf(receipt.l1Fee),
    logs: receipt.logs as Log[],
  }
}

/** How many transactions of the address the chain holds: the next nonce it takes. */
export async function nonceAt(ask: Ask, address: string, tag: 'latest' | 'pending'): Promise<number> {
  return Number(await ask('eth_getTransactionCount', [address, tag]))
}

export async function balanceOf(ask: Ask, address: string): Promise<bigint> {
  return BigInt((await ask('eth_getBalance', [address, 'latest'])) as string)
}

export async function hasCode(ask: Ask, address: string): Promise<boolean> {
  const code = (await ask('eth_getCode', [address, 'latest'])) as string
  return code.length > 2
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

function quantity(value: number): string {
  return `0x${value.toString(16)}`
}

function weiOf(value: unknown): bigint {
  return typeof value === 'string' ? BigInt(value) : 0n
}

function bytes32(value: unknown): Buffer {
  const bytes = Buffer.from(String(value).replace(/^0x/, ''), 'hex')
  if (bytes.length !== 32) {
    throw new HoldfastError(
      'CHAIN_UNAVAILABLE',
      'An RPC endpoint returned a block or receipt without its hash.',
    )
  }
  return bytes
}
