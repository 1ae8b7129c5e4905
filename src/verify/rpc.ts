import { createJsonRpc, RpcAnswerError, RpcTransportError } from 'holdfast-client/json-rpc'

/** One JSON-RPC endpoint. `send` rejects with {@link ReadFault}; nothing in its message tells the endpoint's URL. */
export type Endpoint = {
  send(method: string, params: unknown[]): Promise<unknown>
  close(): void
}

/** How long reading may take. */
export type ReadLimits = {
  /** For each call, in ms. */
  timeoutMs: number
  /** When all calls of one check must be over, as `performance.now()` tells the time; Infinity for no such limit. */
  endsAt: number
}

/** The chain could not be read; `message` is fit to follow "could not be read: ". */
export class ReadFault extends Error {
  override readonly name = 'ReadFault'
}

const OUT_OF_TIME = 'the time for the whole check was over'

/** No call is longer than the limits allow, its body included. The caller checks the chain id and closes it. */
export function openEndpoint(url: string, { timeoutMs, endsAt }: ReadLimits): Endpoint {
  const rpcs = new Set<{ close(): void }>()
  return {
    async send(method, params) {
      const leftMs = endsAt - performance.now()
      const late = leftMs < timeoutMs ? OUT_OF_TIME : `no answer within ${timeoutMs / 1000} s`
      if (leftMs <= 0) throw new ReadFault(late)
      try {
        const rpc = createJsonRpc({ url, timeoutMs: Math.min(timeoutMs, leftMs) })
        rpcs.add(rpc)
        return await rpc.call(method, params)
      } catch (cause) {
        throw new ReadFault(faultOf(cause, late), { cause })
      }
    },
    close() {
      for (const rpc of rpcs) rpc.close()
    },
  }
}

function faultOf(error: unknown, late: string): string {
  if (error instanceof RpcAnswerError) return `it answered JSON-RPC error ${error.code}`
  if (error instanceof TypeError) return error.message
  if (!(error instanceof RpcTransportError)) return 'it gave no answer that could be used'
  if (error.timedOut) return late
  if (error.status !== null) return `it ${error.message}`
  return `no connection (${error.message})`
}
