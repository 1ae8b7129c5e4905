import { id, Transaction } from 'ethers'
import { REGISTRY_ADDRESS } from '../../src/anchor/contract/registry.generated.ts'
import { type ChaosStage, PUBLISHER } from './stage.ts'

/** What the canonical chain holds of the publisher, read from the chain alone. */
export type ChainHistory = {
  /** Where each root stands, from the registry's `Anchored` events of the publisher. */
  roots: Map<string, OnChain[]>
  /** Every transaction of the publisher's account. */
  transactions: { hash: string; nonce: number; input: string }[]
  /** Hash of every canonical block. */
  blockHashes: Set<string>
}

export type OnChain = { transactionHash: string; blockNumber: number; blockHash: string }

type Block = { hash: string; transactions: { hash: string; from: string; nonce: string; input: string }[] }
type Log = { transactionHash: string; blockHash: string; blockNumber: string; topics: string[] }

const BLOCKS_AT_ONCE = 20
const ANCHORED = id('Anchored(address,bytes32)')

export async function readChainHistory({ rpc }: Pick<ChaosStage, 'rpc'>): Promise<ChainHistory> {
  const publisher = PUBLISHER.address.toLowerCase()
  const topics = [ANCHORED, `0x${publisher.slice(2).padStart(64, '0')}`]
  const filter = { address: REGISTRY_ADDRESS, fromBlock: '0x0', toBlock: 'latest', topics }
  const roots = new Map<string, OnChain[]>()
  for (const log of (await rpc('eth_getLogs', [filter])) as Log[]) {
    const { transactionHash, blockHash } = log
    const root = log.topics[2]!
    roots.set(root, [
      ...(roots.get(root) ?? []),
      { transactionHash, blockHash, blockNumber: Number(log.blockNumber) },
    ])
  }

  const blockHashes = new Set<string>()
  const transactions: ChainHistory['transactions'] = []
  const head = Number(await rpc('eth_blockNumber'))
  for (let from = 0; from <= head; from += BLOCKS_AT_ONCE) {
    const numbers = Array.from({ length: Math.min(BLOCKS_AT_ONCE, head - from + 1) }, (_, i) => from + i)
    const blocks = await Promise.all(
      numbers.map((number) => rpc('eth_getBlockByNumber', [`0x${number.toString(16)}`, true])),
    )
    for (const block of blocks as Block[]) {
      blockHashes.add(block.hash)
      for (const { hash, nonce, input, from: sender } of block.transactions) {
        if (sender === publisher) transactions.push({ hash, nonce: Number(nonce), input })
      }
    }
  }
  return { roots, transactions, blockHashes }
}

/** The root in the call of a transaction to the registry; null for a no-op. */
export function rootInCall(input: string): string | null {
  return input.length === 2 + 8 + 64 ? `0x${input.slice(10)}` : null
}

/** Every transaction that a daemon handed to an endpoint, each once. */
export function sentTransactions({ proxies }: Pick<ChaosStage, 'proxies'>): ChainHistory['transactions'] {
  const raws = proxies
    .flatMap((proxy) => proxy.requests)
    .filter((request) => request.method === 'eth_sendRawTransaction')
    .map((request) => String(request.params[0]))
  return [...new Set(raws)].map((raw) => {
    const { hash, nonce, data } = Transaction.from(raw)
    return { hash: hash!, nonce, input: data }
  })
}
