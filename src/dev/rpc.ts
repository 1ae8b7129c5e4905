import { HoldfastError } from '../core/errors.ts'

/**
 * One JSON-RPC call to a development chain.
 * @throws CHAIN_UNAVAILABLE no answer within `timeoutMs`; Error with the node's message when it answered with one
 */
export async function callRpc(
  url: string,
  method: string,
  params: readonly unknown[] = [],
  timeoutMs = 10_000,
) {
  let answer: { result?: unknown; error?: { code: number; message: string } }
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      signal: AbortSignal.timeout(timeoutMs),
    })
    answer = (await response.json()) as typeof answer
  } catch (cause) {
    throw new HoldfastError('CHAIN_UNAVAILABLE', `${url} did not answer ${method}`, { cause })
  }
  if (answer.error) throw new Error(`${method}: ${answer.error.message} (${answer.error.code})`)
  return answer.result
}
