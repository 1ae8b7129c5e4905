import { createJsonRpc, RpcTransportError } from 'holdfast-client/json-rpc'
import { HoldfastError } from '../core/errors.ts'

/** A development chain's dumped state may be long. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024

/**
 * One JSON-RPC call to a development chain.
 * @throws CHAIN_UNAVAILABLE no answer within `timeoutMs`; RpcAnswerError when the node answered with an error
 */
export async function callRpc(
  url: string,
  method: string,
  params: readonly unknown[] = [],
  timeoutMs = 10_000,
): Promise<unknown> {
  try {
    return await createJsonRpc({ url, timeoutMs, maxAnswerBytes: MAX_ANSWER_BYTES }).call(method, params)
  } catch (cause) {
    if (!(cause instanceof RpcTransportError)) throw cause
    throw new HoldfastError('CHAIN_UNAVAILABLE', `${url} did not answer ${method}: ${cause.message}`, {
      cause,
    })
  }
}
