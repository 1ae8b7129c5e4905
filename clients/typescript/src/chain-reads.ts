/** Blocks, receipts and logs as an endpoint tells them. In: a question. Out: the facts that a verdict may rest on. */
import type { Hex } from './format.ts'
import { RpcAnswerError } from './json-rpc.ts'
import {
  type Ask,
  addressOf,
  askFor,
  bigQuantityOf,
  bytes32Of,
  fieldsOf,
  maybeQuantityOf,
  quantityOf,
} from './rpc-values.ts'

export type Block = {
  number: number
  hash: Hex
  /** Seconds since the Unix epoch. */
  timestamp: number
  /** Hashes of its transactions; null where the endpoint lists none. */
  transactions: Hex[] | null
}

export type Log = { address: Hex; topics: Hex[] }

export type TransactionReceipt = {
  transactionHash: Hex
  succeeded: boolean
  blockNumber: number
  blockHash: Hex
  /** Logs that count: those marked `removed` are left out. */
  logs: Log[]
  /** Null where the endpoint does not say it: no verdict depends on it. */
  gasUsed: bigint | null
  /** Wei a gas unit; null where the endpoint does not say it. */
  effectiveGasPrice: bigint | null
  /** Data fee of an OP-stack rollup, in wei; null where the endpoint does not say it. */
  l1Fee: bigint | null
}

/**
 * The block of the canonical chain at this number or tag; null when the endpoint has none of that number.
 * @throws MalformedAnswerError also for another block than the one asked for; what `ask` throws
 */
export async function blockAt(
  ask: Ask,
  at: number | 'latest' | 'finalized' | 'earliest',
): Promise<Block | null> {
  if (typeof at === 'string') return askFor(ask, 'eth_getBlockByNumber', [at, false], blockOf)
  const params = [`0x${at.toString(16)}`, false]
  return askFor(nullInstead(ask, NO_BLOCK), 'eth_getBlockByNumber', params, (answer) => {
    const block = blockOf(answer)
    if (block !== null && block.number !== at) throw new Error(`block ${block.number}, not ${at}`)
    return block
  })
}

/**
 * Null means only that this endpoint knows of no block with the transaction: it may lag, or have forgotten.
 * @throws MalformedAnswerError also for another transaction's receipt; what `ask` throws
 */
export function receiptOf(ask: Ask, transactionHash: Hex): Promise<TransactionReceipt | null> {
  const params = [transactionHash]
  return askFor(nullInstead(ask, NO_RECEIPT), 'eth_getTransactionReceipt', params, (answer) => {
    const receipt = receiptFrom(answer)
    if (receipt !== null && receipt.transactionHash !== transactionHash.toLowerCase()) {
      throw new Error('the receipt of another transaction')
    }
    return receipt
  })
}

/** Errors that mean what others answer null for. */
const NO_BLOCK = /(header|block)\b.{0,40}\bnot found|unknown block|could not find block|null round/i
/** go-ethereum answers the last one for any receipt, until it has indexed its whole history. */
const NO_RECEIPT = /(transaction|receipt)\b.{0,40}\bnot found|unknown transaction|indexing is in progress/i
/** Besu and Erigon: there is no such block. */
const NO_SUCH_BLOCK = -39001

function nullInstead(ask: Ask, words: RegExp): Ask {
  return async (method, params) => {
    try {
      return await ask(method, params)
    } catch (error) {
      const means =
        error instanceof RpcAnswerError && (error.code === NO_SUCH_BLOCK || words.test(error.message))
      if (means) return null
      throw error
    }
  }
}

export function blockOf(answer: unknown): Block | null {
  const block = fieldsOf(answer)
  if (block === null) return null
  return {
    number: quantityOf(block.number),
    hash: bytes32Of(block.hash),
    timestamp: quantityOf(block.timestamp),
    transactions: Array.isArray(block.transactions) ? block.transactions.map(transactionHashOf) : null,
  }
}

/** Some endpoints list whole transactions although hashes were asked for. */
function transactionHashOf(entry: unknown): Hex {
  return bytes32Of(typeof entry === 'string' ? entry : fieldsOf(entry)?.hash)
}

function receiptFrom(answer: unknown): TransactionReceipt | null {
  const receipt = fieldsOf(answer)
  // Not in a block yet.
  if (receipt === null || receipt.blockHash === null || receipt.blockHash === undefined) return null
  return {
    transactionHash: bytes32Of(receipt.transactionHash),
    succeeded: succeededOf(receipt.status),
    blockNumber: quantityOf(receipt.blockNumber),
    blockHash: bytes32Of(receipt.blockHash),
    logs: logsOf(receipt),
    gasUsed: maybeQuantityOf(receipt.gasUsed),
    effectiveGasPrice: maybeQuantityOf(receipt.effectiveGasPrice),
    l1Fee: maybeQuantityOf(receipt.l1Fee),
  }
}

/** From before Byzantium a receipt has no status; only a transaction that succeeded leaves logs. */
function succeededOf(status: unknown): boolean {
  if (status === null || status === undefined) return true
  if (typeof status === 'boolean') return status
  const code = bigQuantityOf(status)
  if (code > 1n) throw new RangeError('a status other than 0 and 1')
  return code === 1n
}

/** An endpoint that drops logs must not pass for a transaction without them: then the bloom filter has bits set. */
function logsOf(receipt: Record<string, unknown>): Log[] {
  const { logs, logsBloom } = receipt
  if (!Array.isArray(logs)) throw new TypeError('no logs')
  if (logs.length === 0 && typeof logsBloom === 'string' && /[1-9a-f]/i.test(logsBloom.replace(/^0x/i, ''))) {
    throw new Error('logs are missing that the bloom filter tells of')
  }
  return logs.flatMap((each: unknown) => {
    const log = fieldsOf(each)
    if (log === null || !Array.isArray(log.topics)) throw new TypeError('not a log')
    if (
      log.transactionHash != null &&
      bytes32Of(log.transactionHash) !== bytes32Of(receipt.transactionHash)
    ) {
      throw new Error('a log of another transaction')
    }
    if (isRemoved(log.removed)) return []
    return [{ address: addressOf(log.address), topics: log.topics.map(bytes32Of) }]
  })
}

function isRemoved(removed: unknown): boolean {
  return removed !== undefined && removed !== null && removed !== false && removed !== 'false'
}
