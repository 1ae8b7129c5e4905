/** What the chain costs, where its node tells it oddly. */
import { Transaction } from 'ethers'
import type { Call } from './odd-node.ts'
import { asItIs } from './odd-node.ts'
import { asked, edited, error, isSending, type Row, when, withFields } from './row.ts'

const sent = ({ params }: Call) => Transaction.from(String(params[0]))
const GWEI = 1_000_000_000n

export const FEES: Row[] = [
  {
    name: 'no eth_feeHistory',
    seen: 'gateways',
    odd: when(asked('eth_feeHistory'), error(-32601, 'method eth_feeHistory not found')),
  },
  {
    name: 'baseFeePerGas: null',
    seen: 'Filecoin',
    odd: edited(asked('eth_feeHistory'), withFields({ baseFeePerGas: null })),
  },
  {
    name: 'reward: null',
    seen: 'Filecoin, Nethermind',
    odd: edited(asked('eth_feeHistory'), withFields({ reward: null })),
  },
  {
    name: 'reward: [[]]',
    seen: 'L2 gateways',
    odd: edited(asked('eth_feeHistory'), withFields({ reward: [[]] })),
  },
  {
    name: 'no eth_estimateGas',
    seen: 'gateways',
    odd: when(asked('eth_estimateGas'), error(-32601, 'method not found')),
  },
  {
    name: 'eth_estimateGas with two parameters only',
    seen: 'Besu, Nethermind before 1.26',
    odd: when(
      (call) => call.method === 'eth_estimateGas' && call.params.length > 2,
      error(-32602, 'too many arguments, want at most 2'),
    ),
  },
  {
    name: 'gas on another scale',
    seen: 'Filecoin, zkSync',
    odd: scaled(25),
  },
  {
    name: 'type 2 refused',
    seen: 'RSK, older Arbitrum, BNB',
    odd: when(
      (call) => isSending(call) && sent(call).type === 2,
      error(-32000, 'transaction type not supported'),
    ),
  },
  {
    name: 'eth_estimateGas with "insufficient funds"',
    seen: 'nodes that ignore the override',
    odd: when(asked('eth_estimateGas'), error(-32000, 'insufficient funds for gas * price + value')),
  },
  {
    name: 'an effective price of 3 gwei wanted',
    seen: 'Gnosis (Nethermind)',
    odd: when(
      (call) => isSending(call) && (sent(call).maxFeePerGas ?? sent(call).gasPrice ?? 0n) < 3n * GWEI,
      error(-32010, 'FeeTooLow, EffectivePriorityFeePerGas too low 1000000 < 3000000000, BaseFee: 7'),
    ),
  },
  {
    name: 'a tip of 2 gwei wanted',
    seen: 'Polygon',
    odd: when(
      (call) => isSending(call) && (sent(call).maxPriorityFeePerGas ?? sent(call).gasPrice ?? 0n) < 2n * GWEI,
      error(-32000, 'transaction underpriced: gas tip cap 1000000, minimum needed 2000000000'),
    ),
  },
]

/** A call takes `factor` times the gas: less is refused. */
function scaled(factor: number): Row['odd'] {
  let needed = 0
  return () => async (call) => {
    if (call.method === 'eth_estimateGas') {
      const answer = await call.forward()
      needed = Number(answer.result) * factor
      return { body: JSON.stringify({ ...answer, result: `0x${needed.toString(16)}` }) }
    }
    if (isSending(call) && sent(call).gasLimit < needed) return error(-32000, 'intrinsic gas too low')
    return asItIs(call)
  }
}
