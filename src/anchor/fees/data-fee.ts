import { Interface } from 'ethers'
import { RpcAnswerError } from 'holdfast-client/json-rpc'
import { type Ask, askFor, bytes32Of } from 'holdfast-client/rpc-values'
import type { Payload } from '../submit.ts'

/** Where every chain of the OP stack tells what publishing a transaction's bytes on its parent chain costs. */
const GAS_PRICE_ORACLE = '0x420000000000000000000000000000000000000F'
const oracle = new Interface(['function getL1FeeUpperBound(uint256) view returns (uint256)'])
/** Bytes of a signed type-2 transaction around its calldata, rounded up. */
const ENVELOPE_BYTES = 180
/** The parent chain's fees may rise until the transaction is in a block. */
const MARGIN = 2n

/**
 * Upper bound of the data fee that a rollup of the OP stack charges beside gas, in wei; 0 on other chains.
 * `memory` keeps that a chain has no such fee; an endpoint that cannot tell is no such chain.
 * @throws what `ask` throws, but for a call that finds no oracle
 * Source: Optimism specs, "L1 cost fees", Fjord.
 */
export async function dataFeeOf(ask: Ask, payload: Payload, memory: { noDataFee: boolean }): Promise<bigint> {
  if (memory.noDataFee) return 0n
  const bytes = ENVELOPE_BYTES + (payload.data.length - 2) / 2
  const data = oracle.encodeFunctionData('getL1FeeUpperBound', [bytes])
  const fee = await upperBound(ask, data)
  if (fee !== null) return fee * MARGIN
  memory.noDataFee = true
  return 0n
}

/** Null where there is no such oracle: an account without code returns nothing, another contract reverts. */
async function upperBound(ask: Ask, data: string): Promise<bigint | null> {
  try {
    const params = [{ to: GAS_PRICE_ORACLE, data }, 'latest']
    return await askFor(ask, 'eth_call', params, (answer) =>
      answer === '0x' ? null : BigInt(bytes32Of(answer)),
    )
  } catch (error) {
    if (error instanceof RpcAnswerError && isNoOracle(error)) return null
    throw error
  }
}

/** geth's code for a revert, and the words of nodes that run code which is none, or miss it. */
function isNoOracle(error: RpcAnswerError): boolean {
  return error.code === 3 || /revert|invalid opcode|bad instruction|no contract|no code/i.test(error.message)
}
