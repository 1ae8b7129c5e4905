import { RpcAnswerError } from 'holdfast-client/json-rpc'
import { type Ask, askFor, MalformedAnswerError, quantityOf } from 'holdfast-client/rpc-values'
import type { Hex } from '../../core/hash.ts'
import type { GasEstimate } from './gas-limit.ts'

/** A million ether: more than any call here can cost. */
const AMPLE_BALANCE = `0x${(10n ** 24n).toString(16)}`
/** No transaction takes less. An estimate below is none. */
const LEAST_ESTIMATE = 21_000

/**
 * Gas of the call as the chain stands now. The sender is given an ample balance, so that low funds say nothing of gas;
 * a node that refuses this is asked plainly.
 * @throws RpcTransportError when the endpoint does not answer
 */
export async function estimateGas(
  ask: Ask,
  call: { from: string; to: string; data: Hex },
): Promise<GasEstimate> {
  const funded = { [call.from]: { balance: AMPLE_BALANCE } }
  const estimate = await askOnce(ask, [call, 'latest', funded])
  return estimate.kind === 'unknown' ? askOnce(ask, [call]) : estimate
}

async function askOnce(ask: Ask, params: readonly unknown[]): Promise<GasEstimate> {
  try {
    const gas = await askFor(ask, 'eth_estimateGas', params, quantityOf)
    return gas < LEAST_ESTIMATE ? { kind: 'unknown', why: `an estimate of ${gas}` } : { kind: 'gas', gas }
  } catch (error) {
    if (error instanceof RpcAnswerError) return estimateOfError(error)
    if (error instanceof MalformedAnswerError) return { kind: 'unknown', why: error.message }
    throw error
  }
}

const REVERTS = /revert|opcode|bad instruction|execution error|execution failed|evm error/i
const FUNDS = /insufficient|balance|enough funds|lack ?of ?fund|allowance|out ?of ?gas/i

/** What an error in the place of an estimate means. Low funds, a missing method and limits say nothing of gas. */
export function estimateOfError({ code, message }: { code: number; message: string }): GasEstimate {
  const reverts = (code === 3 || REVERTS.test(message)) && !FUNDS.test(message)
  return { kind: reverts ? 'reverts' : 'unknown', why: message }
}
