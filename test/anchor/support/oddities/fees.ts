import { edits, fails, type Oddity, returns } from './endpoint.ts'

const GWEI = 1_000_000_000
const hex = (value: number) => `0x${value.toString(16)}`
const withoutBaseFee = edits('eth_getBlockByNumber', ({ baseFeePerGas: _, ...block }) => block)

export const FEES: readonly Oddity[] = [
  {
    name: 'eth_feeHistory missing',
    seen: 'gateways',
    answer: fails('eth_feeHistory', -32601, 'the method eth_feeHistory does not exist/is not available'),
  },
  {
    name: 'eth_feeHistory not allowed',
    seen: 'gateways of free tiers',
    answer: fails('eth_feeHistory', -32600, 'method not allowed on this plan'),
  },
  {
    name: 'eth_feeHistory without base fees',
    seen: 'Filecoin',
    answer: edits('eth_feeHistory', (history) => ({ ...history, baseFeePerGas: null })),
  },
  {
    name: 'eth_feeHistory with reward: null',
    seen: 'Filecoin, Erigon on empty blocks',
    answer: edits('eth_feeHistory', (history) => ({ ...history, reward: null })),
  },
  {
    name: 'eth_feeHistory with empty rewards',
    seen: 'Nethermind',
    answer: edits('eth_feeHistory', (history) => ({ ...history, reward: [[]] })),
  },
  {
    name: 'eth_feeHistory with fewer blocks than asked',
    seen: 'young chains',
    answer: edits('eth_feeHistory', (history) => ({
      ...history,
      baseFeePerGas: (history.baseFeePerGas as unknown[]).slice(-1),
      reward: [],
      gasUsedRatio: [],
    })),
  },
  {
    name: 'eth_feeHistory without gasUsedRatio',
    seen: 'Besu',
    answer: edits('eth_feeHistory', ({ gasUsedRatio: _, ...history }) => history),
  },
  { name: 'eth_feeHistory is null', seen: 'BNB gateways', answer: returns('eth_feeHistory', null) },
  {
    name: 'eth_feeHistory with base fees as decimal numbers',
    seen: 'proxies',
    answer: edits('eth_feeHistory', (history) => ({
      ...history,
      baseFeePerGas: (history.baseFeePerGas as string[]).map(Number),
    })),
  },
  {
    name: 'eth_feeHistory and eth_maxPriorityFeePerGas missing',
    seen: 'older nodes',
    answer: fails(['eth_feeHistory', 'eth_maxPriorityFeePerGas'], -32601, 'Method not found'),
  },
  {
    name: 'every question about fees but eth_gasPrice missing',
    seen: 'private chains',
    answer: fails(
      ['eth_feeHistory', 'eth_maxPriorityFeePerGas', 'eth_blobBaseFee'],
      -32601,
      'Method not found',
    ),
  },
  {
    name: 'eth_gasPrice missing',
    seen: 'gateways',
    answer: fails('eth_gasPrice', -32601, 'Method not found'),
  },
  {
    name: 'base fee 0',
    seen: 'free chains',
    answer: edits('eth_feeHistory', (history) => ({
      ...history,
      baseFeePerGas: (history.baseFeePerGas as string[]).map(() => '0x0'),
    })),
  },
  {
    name: 'no base fee in blocks, no fee history',
    seen: 'chains from before London',
    answer: async (call, ask) =>
      call.method === 'eth_feeHistory'
        ? { error: { code: -32601, message: 'Method not found' } }
        : withoutBaseFee(call, ask),
  },
  {
    name: 'transactions of type 2 refused',
    seen: 'Celo, Klaytn before their forks: "transaction type not supported"',
    answer: (call, ask) =>
      call.method === 'eth_sendRawTransaction' && String(call.params[0]).startsWith('0x02')
        ? { error: { code: -32000, message: 'transaction type not supported' } }
        : ask(call),
  },
  {
    name: 'transactions of type 2 refused in other words',
    seen: 'Besu: "Invalid transaction type"',
    answer: (call, ask) =>
      call.method === 'eth_sendRawTransaction' && String(call.params[0]).startsWith('0x02')
        ? {
            error: {
              code: -32602,
              message: 'Transaction type EIP-1559 is not supported: only legacy transactions are accepted',
            },
          }
        : ask(call),
  },
  {
    name: 'a tip below 2 gwei refused, the tip wanted named',
    seen: 'Polygon, BNB',
    answer: demandsTip(
      2 * GWEI,
      (tip) => `transaction underpriced: gas tip cap ${tip}, minimum needed ${2 * GWEI}`,
    ),
  },
  {
    name: "a tip below 1 gwei refused in Nethermind's words",
    seen: 'Gnosis',
    answer: demandsTip(
      GWEI,
      (tip) => `FeeTooLow, EffectivePriorityFeePerGas too low ${tip} < ${GWEI}, BaseFee: 7`,
    ),
  },
  {
    name: 'history demands tips of 30 gwei, the chain takes less',
    seen: 'Polygon',
    chain: { fees: { maxFeePerGasGwei: 100, minTipGwei: 0.001, maxTipGwei: 50, bumpAfterMs: 60_000 } },
    answer: edits('eth_feeHistory', (history) => ({
      ...history,
      reward: (history.gasUsedRatio as number[]).map(() => [hex(30 * GWEI)]),
      gasUsedRatio: (history.gasUsedRatio as number[]).map(() => 0.5),
    })),
  },
]

/** Refuses transactions of type 2 with a tip below `least` wei; `say` words it. */
function demandsTip(least: number, say: (tip: bigint) => string): Oddity['answer'] {
  return async (call, ask) => {
    if (call.method !== 'eth_sendRawTransaction') return ask(call)
    const { Transaction } = await import('ethers')
    const tip = Transaction.from(String(call.params[0])).maxPriorityFeePerGas ?? 0n
    return tip < BigInt(least) ? { error: { code: -32000, message: say(tip) } } : ask(call)
  }
}
