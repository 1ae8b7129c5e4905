/** Receipts, logs and blocks: late, incomplete, or somebody else's. */
import type { Answer, Call, Oddity } from './odd-node.ts'
import { asked, edited, error, isBlockByNumber, isReceipt, type Row, when, withFields } from './row.ts'

type Log = { address: string; topics: string[]; removed?: boolean }
const logs = (edit: (logs: Log[]) => unknown) =>
  edited(isReceipt, (receipt) => withFields({ logs: edit((receipt as { logs: Log[] }).logs) })(receipt))
const receipts = (fields: Record<string, unknown>) => edited(isReceipt, withFields(fields))
const OTHER = `0x${'5a'.repeat(32)}`
/** The daemon waits for a better answer. The list of the block and the registry's record are proof enough for auditors. */
const NOT_BELIEVED = { anchored: /rpc_down/ } as const
const DENIED = { anchored: /no_event/, verdict: 'contradicted' } as const

/** Instead of null, for a transaction that the node does not have. */
const missing = (instead: object): Oddity =>
  when(isReceipt, async (call) => {
    const answer = await call.forward()
    return { body: JSON.stringify(answer.result === null ? { id: call.id, ...instead } : answer) }
  })

/** The first `times` receipts are changed, or null. */
const atFirst = (times: number, change: (answer: Answer, call: Call) => Answer): Oddity =>
  when(isReceipt, async (call) => {
    const answer = await call.forward()
    return { body: JSON.stringify(call.countOfMethod <= times ? change(answer, call) : answer) }
  })

export const RECEIPTS: Row[] = [
  {
    name: 'receipts that come three looks late',
    seen: 'balancers, indexers behind the node',
    odd: atFirst(3, ({ id }) => ({ id, result: null })),
  },
  {
    name: 'receipts without a block at first',
    seen: 'nodes that answer for pending transactions',
    odd: atFirst(2, ({ id, result }) => ({
      id,
      result: withFields({ blockHash: null, blockNumber: null })(result),
    })),
  },
  {
    name: '"transaction not found" instead of null',
    seen: 'Filecoin, Harmony',
    odd: missing({ error: { code: -32000, message: 'transaction not found' } }),
  },
  {
    name: '"transaction indexing is in progress"',
    seen: 'go-ethereum',
    odd: atFirst(3, ({ id }) => ({
      id,
      error: { code: -32000, message: 'transaction indexing is in progress' },
    })),
  },
  {
    name: 'receipts without a status',
    seen: 'chains from before Byzantium',
    odd: receipts({ status: null }),
  },
  { name: 'a status that is true', seen: 'web3-like proxies', odd: receipts({ status: true }) },
  {
    name: 'receipts without effectiveGasPrice',
    seen: 'chains from before London',
    odd: receipts({ effectiveGasPrice: undefined }),
  },
  {
    name: 'receipts without gasUsed',
    seen: 'indexers',
    odd: receipts({ gasUsed: null, cumulativeGasUsed: null }),
  },
  {
    name: 'a decimal l1FeeScalar and an odd l1Fee',
    seen: 'OP stack',
    odd: receipts({ l1FeeScalar: '0.684', l1Fee: '1.2e3', l1GasPrice: '0x3b9aca00', l1GasUsed: null }),
  },
  {
    name: 'receipts of another type',
    seen: 'Arbitrum, OP stack',
    odd: receipts({ type: '0x7e', depositNonce: '0x1' }),
  },
  {
    name: 'a removed copy of the log',
    seen: 'nodes after a reorg',
    odd: logs((all) => [...all.map((log) => ({ ...log, removed: true })), ...all]),
  },
  {
    name: 'addresses in EIP-55',
    seen: 'web3.js-like proxies',
    odd: logs((all) => all.map((log) => ({ ...log, address: `0x${log.address.slice(2).toUpperCase()}` }))),
  },
  {
    name: 'blocks with whole transactions',
    seen: 'proxies that ignore the second parameter',
    odd: edited(isBlockByNumber, (block) => {
      const { transactions } = block as { transactions: string[] }
      return withFields({ transactions: transactions.map((hash) => ({ hash, nonce: '0x0' })) })(block)
    }),
  },
  {
    name: 'blocks without transactions and with members of their own',
    seen: 'Avalanche, Celo, Arbitrum',
    odd: edited(
      isBlockByNumber,
      withFields({ transactions: undefined, l1BlockNumber: '0x1', blockExtraData: '0x' }),
    ),
  },
  {
    name: 'an error for blocks that it does not have',
    seen: 'Besu, Erigon',
    odd: when(isBlockByNumber, async (call) => {
      const answer = await call.forward()
      return answer.result === null ? error(-39001, 'Unknown block') : { body: JSON.stringify(answer) }
    }),
  },
  {
    name: 'only removed logs',
    seen: 'a node on the losing branch',
    odd: logs((all) => all.map((log) => ({ ...log, removed: true }))),
    expect: DENIED,
  },
  {
    name: 'no logs, and a bloom filter of some',
    seen: 'pruned gateways',
    odd: logs(() => []),
    expect: NOT_BELIEVED,
  },
  { name: 'logs: null', seen: 'hand-written proxies', odd: logs(() => null), expect: NOT_BELIEVED },
  {
    name: "another contract's log",
    seen: 'a lying endpoint',
    odd: logs((all) => all.map((log) => ({ ...log, address: `0x${'11'.repeat(20)}` }))),
    expect: DENIED,
  },
  {
    name: "another publisher's log",
    seen: 'a lying endpoint',
    odd: logs((all) =>
      all.map((log) => ({
        ...log,
        topics: [log.topics[0]!, `0x${'0'.repeat(24)}${'22'.repeat(20)}`, log.topics[2]!],
      })),
    ),
    expect: DENIED,
  },
  {
    name: "another transaction's receipt",
    seen: 'caches keyed too coarsely',
    odd: receipts({ transactionHash: OTHER }),
    expect: NOT_BELIEVED,
  },
  {
    name: "another transaction's log",
    seen: 'caches keyed too coarsely',
    odd: logs((all) => all.map((log) => ({ ...log, transactionHash: OTHER }))),
    expect: NOT_BELIEVED,
  },
  {
    name: 'a block hash that is not the chain’s',
    seen: 'a node on another branch',
    odd: receipts({ blockHash: OTHER }),
    expect: { anchored: /^null/, verdict: 'contradicted' },
  },
  {
    name: 'another block than the one asked for',
    seen: 'caches keyed too coarsely',
    odd: edited(isBlockByNumber, withFields({ number: '0x1' })),
    expect: { anchored: /rpc_down/ },
  },
  {
    name: 'whole answers for the receipt of another method',
    seen: 'mixed-up proxies',
    odd: when(asked('eth_getTransactionReceipt'), ({ id }) => ({
      body: JSON.stringify({ id, result: '0x1' }),
    })),
    expect: { anchored: /rpc_down/ },
  },
]
