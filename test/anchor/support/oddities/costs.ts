/** More of what a chain costs and of whose nonce it is: wordings, scales, and questions that are not needed to anchor. */
import { Transaction } from 'ethers'
import { asItIs, type Call, type Reply } from './odd-node.ts'
import { asked, edited, error, isSending, type Row, when, withFields } from './row.ts'

const GWEI = 1_000_000_000n
const ORACLE = '0x420000000000000000000000000000000000000f'
const isOracle = ({ method, params }: Call) =>
  method === 'eth_call' && (params[0] as { to?: string }).to?.toLowerCase() === ORACLE
const result = (value: unknown) => (call: Call) => ({ body: JSON.stringify({ id: call.id, result: value }) })
const sent = ({ params }: Call) => Transaction.from(String(params[0]))
const forbidden: Reply = { status: 403, body: 'forbidden' }
const missing = error(-32601, 'the method does not exist')

function history(name: string, seen: string, fields: Record<string, unknown>): Row {
  return { name: `eth_feeHistory ${name}`, seen, odd: edited(asked('eth_feeHistory'), withFields(fields)) }
}

function oracle(name: string, seen: string, reply: Parameters<typeof when>[1]): Row {
  return { name: `a fee oracle ${name}`, seen, odd: when(isOracle, reply) }
}

/** Takes no tip under 2 gwei, and says so like this. */
function tip(seen: string, words: (offered: bigint) => string): Row {
  return {
    name: `a tip of 2 gwei wanted, as ${seen} says it`,
    seen,
    odd: when(
      (call) => isSending(call) && tipOf(call) < 2n * GWEI,
      (call) => error(-32000, words(tipOf(call))),
    ),
  }
}

function tipOf(call: Call): bigint {
  const { maxPriorityFeePerGas, gasPrice } = sent(call)
  return maxPriorityFeePerGas ?? gasPrice ?? 0n
}

function typeRefused(seen: string, words: string): Row {
  const odd = when((call) => isSending(call) && sent(call).type === 2, error(-32000, words))
  return { name: `type 2 refused, as ${seen} says it`, seen, odd }
}

function gasRefused(name: string, seen: string, refuses: (gas: bigint) => boolean, words: string): Row {
  const odd = when((call) => isSending(call) && refuses(sent(call).gasLimit), error(-32000, words))
  return { name, seen, odd }
}

/** The chain takes so many times the gas; a transaction with less is refused. */
function scaled(seen: string, factor: number): Row {
  const odd: Row['odd'] = () => {
    let needed = 0
    return async (call) => {
      if (isSending(call) && sent(call).gasLimit < needed) return error(-32000, 'out of gas')
      if (call.method !== 'eth_estimateGas') return asItIs(call)
      const answer = await call.forward()
      needed = Number(answer.result) * factor
      return { body: JSON.stringify({ ...answer, result: `0x${needed.toString(16)}` }) }
    }
  }
  return { name: `gas of ${seen}, ${factor} times as much`, seen, odd }
}

/** The count of the account's transactions is told too low, or too high, so many times. */
function nonce(name: string, seen: string, times: number, by: number, tag?: string): Row {
  return {
    name,
    seen,
    odd: edited(
      ({ method, params, countOfMethod }) =>
        method === 'eth_getTransactionCount' &&
        (tag === undefined ? countOfMethod <= times : params[1] === tag),
      (count) => `0x${Math.max(0, Number(count) + by).toString(16)}`,
    ),
  }
}

export const COSTS: Row[] = [
  { name: 'eth_feeHistory null', seen: 'light clients', odd: when(asked('eth_feeHistory'), result(null)) },
  { name: 'eth_feeHistory behind HTTP 403', seen: 'gateways', odd: when(asked('eth_feeHistory'), forbidden) },
  history('without baseFeePerGas', 'zkSync', { baseFeePerGas: undefined }),
  history('with empty lists', 'nodes without history', { baseFeePerGas: [], reward: [], gasUsedRatio: [] }),
  history('in decimal', 'Java nodes', { baseFeePerGas: ['1000000000'], reward: [['1000000000']] }),
  history('of zeros', 'chains from before EIP-1559', {
    baseFeePerGas: ['0x0', '0x0'],
    reward: [['0x0']],
    gasUsedRatio: [0],
  }),
  history('with rewards of null', 'Erigon', { reward: [null, [null]] }),
  {
    name: 'no eth_feeHistory and no eth_maxPriorityFeePerGas',
    seen: 'RSK',
    odd: when(asked('eth_feeHistory', 'eth_maxPriorityFeePerGas'), missing),
  },
  {
    name: 'no fees told at all, but the base fee of the block',
    seen: 'allow-lists of gateways',
    odd: when(asked('eth_feeHistory', 'eth_maxPriorityFeePerGas', 'eth_gasPrice'), missing),
  },
  typeRefused('Besu', 'Transaction type EIP1559 is invalid, accepted transaction types are [FRONTIER]'),
  typeRefused('go-ethereum before London', 'rlp: expected input list for types.LegacyTx'),
  typeRefused('a gateway', 'Unsupported transaction type'),
  tip(
    'Gnosis',
    (offered) => `FeeTooLow, EffectivePriorityFeePerGas too low ${offered} < 2000000000, BaseFee: 7`,
  ),
  tip('BNB', (offered) => `transaction underpriced: tip needed 2000000000, tip permitted ${offered}`),
  tip('Besu', (offered) => `EffectivePriorityFeePerGas too low: ${offered} wei, 2000000000 wei needed`),
  tip(
    'Polygon 2',
    (offered) => `transaction gas price below minimum: gas tip cap ${offered}, minimum needed 2000000000`,
  ),
  tip('a node without numbers', () => 'transaction underpriced'),
  scaled('Arbitrum', 9),
  scaled('Filecoin', 66),
  gasRefused(
    'a gas limit over 70,000 refused',
    'a small block',
    (gas) => gas > 70_000n,
    'exceeds block gas limit',
  ),
  gasRefused('a gas limit under 200,000 refused', 'zkSync', (gas) => gas < 200_000n, 'intrinsic gas too low'),
  {
    name: 'eth_estimateGas says that the call reverts',
    seen: 'anvil with low funds',
    odd: when(asked('eth_estimateGas'), error(3, 'execution reverted')),
  },
  { name: 'eth_estimateGas null', seen: 'light clients', odd: when(asked('eth_estimateGas'), result(null)) },
  { name: 'eth_estimateGas 0x0', seen: 'proxies', odd: when(asked('eth_estimateGas'), result('0x0')) },
  {
    name: 'eth_estimateGas behind HTTP 403',
    seen: 'gateways',
    odd: when(asked('eth_estimateGas'), forbidden),
  },
  oracle('that is not asked by a missing method', 'gateways', missing),
  oracle('with an internal error', 'RSK', error(-32603, 'Internal error')),
  oracle('that answers garbage', 'proxies', result('garbage')),
  oracle('that answers null', 'light clients', result(null)),
  oracle('behind HTTP 403', 'gateways', forbidden),
  { name: 'a balance of null', seen: 'light clients', odd: when(asked('eth_getBalance'), result(null)) },
  { name: 'a balance behind HTTP 403', seen: 'gateways', odd: when(asked('eth_getBalance'), forbidden) },
  { name: 'code of null', seen: 'light clients', odd: when(asked('eth_getCode'), result(null)) },
  nonce('a nonce that lags by three calls', 'balancers', 3, -1),
  nonce('a nonce that is too high in three answers', 'a restored node', 3, 5),
  nonce('`pending` behind `latest`', 'nodes that lag', 0, -1, 'pending'),
]
