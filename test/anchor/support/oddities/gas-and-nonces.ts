import { type Answer, type Call, edits, fails, type Oddity } from './endpoint.ts'

const ESTIMATE = 'eth_estimateGas'
const hasOverride = ({ method, params }: Call) => method === ESTIMATE && params.length > 2

const scaled =
  (factor: number): Oddity['answer'] =>
  async (call, ask) => {
    const plain = hasOverride(call) ? { ...call, params: call.params.slice(0, 2) } : call
    const answer = await ask(plain)
    if (call.method !== ESTIMATE || typeof answer.result !== 'string') return answer
    return { result: `0x${(Number(answer.result) * factor).toString(16)}` }
  }

export const GAS_AND_NONCES: readonly Oddity[] = [
  { name: 'eth_estimateGas missing', seen: 'gateways', answer: fails(ESTIMATE, -32601, 'Method not found') },
  {
    name: 'eth_estimateGas takes no third parameter',
    seen: 'Besu, Nethermind, anvil',
    answer: (call, ask) =>
      hasOverride(call)
        ? { error: { code: -32602, message: 'Invalid params: too many arguments, want at most 2' } }
        : ask(call),
  },
  {
    name: 'eth_estimateGas answers "insufficient funds"',
    seen: 'go-ethereum without an override',
    answer: fails(ESTIMATE, -32000, 'insufficient funds for gas * price + value: balance 0, tx cost 1'),
  },
  {
    name: 'eth_estimateGas answers "execution reverted"',
    seen: 'nodes a block behind',
    answer: fails(ESTIMATE, 3, 'execution reverted', '0x'),
  },
  { name: 'gas counts eight times as much', seen: 'Arbitrum', answer: scaled(8) },
  { name: 'gas counts sixty times as much', seen: 'Filecoin FEVM, zkSync', answer: scaled(60) },
  {
    name: 'gas estimates as decimal numbers',
    seen: 'proxies',
    answer: async (call, ask) => {
      const answer = (await scaled(1)(call, ask)) as Answer
      return call.method === ESTIMATE && typeof answer.result === 'string'
        ? { result: Number(answer.result) }
        : answer
    },
  },
  {
    name: 'the tag pending refused',
    seen: 'gateways: "pending block is not available"',
    answer: (call, ask) =>
      call.method === 'eth_getTransactionCount' && call.params[1] === 'pending'
        ? { error: { code: -32000, message: 'pending block is not available' } }
        : ask(call),
  },
  {
    name: 'the tag pending unknown',
    seen: 'zkSync',
    answer: (call, ask) =>
      call.params.includes('pending') ? { error: { code: -32602, message: 'unknown block tag' } } : ask(call),
  },
  {
    name: 'nonces lag by one call',
    seen: 'balancers',
    answer: (() => {
      const before = new Map<string, unknown>()
      return async (call: Call, ask: (call: Omit<Call, 'id'>) => Promise<Answer>) => {
        const answer = await ask(call)
        if (call.method !== 'eth_getTransactionCount') return answer
        const key = JSON.stringify(call.params)
        const result = before.get(key) ?? answer.result
        before.set(key, answer.result)
        return { result }
      }
    })(),
  },
  {
    name: 'eth_getBalance missing',
    seen: 'write-only gateways',
    answer: fails('eth_getBalance', -32601, 'Method not found'),
  },
  {
    name: 'eth_getCode missing',
    seen: 'write-only gateways',
    answer: fails('eth_getCode', -32601, 'Method not found'),
  },
  {
    name: 'eth_call answered -32015 Bad instruction',
    seen: 'OpenEthereum',
    answer: fails('eth_call', -32015, 'VM execution error.', 'Bad instruction 0xfe'),
  },
  {
    name: 'eth_call answered "no contract code"',
    seen: 'gateways',
    answer: fails('eth_call', -32000, 'no contract code at given address'),
  },
  {
    name: 'eth_call missing',
    seen: 'write-only gateways',
    answer: fails('eth_call', -32601, 'Method not found'),
  },
  {
    name: 'receipts with decimal l1FeeScalar and odd l1Fee',
    seen: 'OP stack',
    answer: edits('eth_getTransactionReceipt', (receipt) => ({
      ...receipt,
      l1Fee: '1.5e9',
      l1FeeScalar: '0.684',
      l1GasUsed: null,
    })),
  },
  {
    name: 'receipts with l1Fee: null',
    seen: 'OP stack before Bedrock',
    answer: edits('eth_getTransactionReceipt', (receipt) => ({ ...receipt, l1Fee: null })),
  },
  {
    name: 'receipts without effectiveGasPrice',
    seen: 'nodes from before London',
    answer: edits('eth_getTransactionReceipt', ({ effectiveGasPrice: _, ...receipt }) => receipt),
  },
  {
    name: 'receipts without effectiveGasPrice, transactions not told',
    seen: 'pruned gateways',
    answer: async (call, ask) =>
      call.method === 'eth_getTransactionByHash'
        ? { result: null }
        : edits('eth_getTransactionReceipt', ({ effectiveGasPrice: _, ...receipt }) => receipt)(call, ask),
  },
  {
    name: 'receipts with gasUsed as a decimal number',
    seen: 'proxies',
    answer: edits('eth_getTransactionReceipt', (receipt) => ({
      ...receipt,
      gasUsed: Number(receipt.gasUsed),
    })),
  },
]
