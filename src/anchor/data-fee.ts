import { Interface } from 'ethers'
import type { Ask } from './endpoints.ts'
import { RpcAnswerError } from './json-rpc.ts'
import type { Payload } from './submit.ts'

/** Where every chain of the OP stack tells what publishing a transaction's bytes on its parent chain costs. */
const GAS_PRICE_ORACLE = '0x420000000000000000000000000000000000000F'
const oracle = new Interface(['function getL1FeeUpperBound(uint256) view returns (uint256)'])
/** Bytes of a signed type-2 transaction around its calldata, rounded up. */
const ENVELOPE_BYTES = 180
/** The parent chain's fees may rise until the transaction is in a block. */
const MARGIN = 2n

/**
 * Upper bound of the data fee that a rollup of the OP stack charges beside gas, in wei; 0 on other chains.
 * `memory` keeps that a chain has no such fee.
 * Source: Optimism specs, "L1 cost fees", Fjord.
 */
export async function dataFeeOf(ask: Ask, payload: Payload, memory: { noDataFee: boolean }): Promise<bigint> {
  if (memory.noDataFee) return 0n
  const bytes = ENVELOPE_BYTES + (payload.data.length - 2) / 2
  const data = oracle.encodeFunctionData('getL1FeeUpperBound', [bytes])
  try {
    const answer = (await ask('eth_call', [{ to: GAS_PRICE_ORACLE, data }, 'latest'])) as string
    if (answer.length === 66) return BigInt(answer) * MARGIN
  } catch (error) {
    if (!(error instanceof RpcAnswerError)) throw error
  }
  memory.noDataFee = true
  return 0n
}
