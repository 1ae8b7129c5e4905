import { edits, finalizedTag, type Oddity } from './endpoint.ts'

const error = (code: number, message: string) => finalizedTag(() => ({ error: { code, message } }))
const outcome = 'final by confirmations'

export const FINALITY: readonly Oddity[] = [
  {
    name: 'finalized: -32000 block not found',
    seen: 'go-ethereum',
    outcome,
    answer: error(-32000, 'finalized block not found'),
  },
  {
    name: 'finalized: -39001 unknown block',
    seen: 'Besu, Erigon',
    outcome,
    answer: error(-39001, 'Unknown block'),
  },
  {
    name: 'finalized: -32601 method not found',
    seen: 'gateways',
    outcome,
    answer: error(-32601, 'the method is not available'),
  },
  {
    name: 'finalized: -32602 invalid block tag',
    seen: 'BNB before 1.2',
    outcome,
    answer: error(-32602, 'invalid argument 0: hex string without 0x prefix'),
  },
  {
    name: 'finalized: -32603 internal error',
    seen: 'RSK',
    outcome,
    answer: error(-32603, 'Internal server error'),
  },
  {
    name: 'finalized: -32700 parse error',
    seen: 'Ganache',
    outcome,
    answer: error(-32700, 'Cannot wrap string value "finalized" as a json-rpc type'),
  },
  {
    name: 'finalized: null',
    seen: 'Nethermind, Reth before the first forkchoice',
    outcome,
    answer: finalizedTag(() => ({ result: null })),
  },
  {
    name: 'finalized: genesis for ever',
    seen: 'development nodes',
    outcome,
    answer: finalizedTag((ask, call) => ask({ method: call.method, params: ['0x0', false] })),
  },
  {
    name: 'finalized: text instead of a block',
    seen: 'proxies',
    outcome,
    answer: finalizedTag(() => ({ result: 'finalized' })),
  },
  {
    name: 'finalized: equals the head',
    seen: 'Avalanche, chains with instant finality',
    answer: finalizedTag((ask, call) => ask({ method: call.method, params: ['latest', false] })),
  },
  {
    name: 'finalized: fails every second time',
    seen: 'balancers in front of nodes of different versions',
    answer: (() => {
      let asked = 0
      return finalizedTag((ask, call) =>
        asked++ % 2 === 0 ? { error: { code: -32000, message: 'finalized block not found' } } : ask(call),
      )
    })(),
  },
  {
    name: 'blocks list whole transactions',
    seen: 'gateways that ignore the second parameter',
    answer: async (call, ask) =>
      call.method === 'eth_getBlockByNumber'
        ? ask({ method: call.method, params: [call.params[0], true] })
        : ask(call),
  },
  {
    name: 'blocks without transactions, size or bloom',
    seen: 'light gateways',
    answer: edits('eth_getBlockByNumber', ({ number, hash, timestamp, baseFeePerGas, parentHash }) => ({
      number,
      hash,
      timestamp,
      parentHash,
      baseFeePerGas,
    })),
  },
  {
    name: 'blocks with odd fields of other chains',
    seen: 'Arbitrum (l1BlockNumber, sendRoot), zkSync (l1BatchNumber: null)',
    answer: edits('eth_getBlockByNumber', (block) => ({
      ...block,
      l1BlockNumber: '0x1',
      sendRoot: null,
      l1BatchNumber: null,
      difficulty: 'none',
      nonce: null,
    })),
  },
]
