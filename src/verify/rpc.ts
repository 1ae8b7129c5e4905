import { FetchRequest, JsonRpcProvider, Network } from 'ethers'

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

/**
 * An endpoint read through ethers: no cache, no batches, no detection of the network, no retries, and no call longer
 * than the limits allow, its body included. The caller checks the chain id and closes it.
 */
export function openEndpoint(url: string, chainId: number, { timeoutMs, endsAt }: ReadLimits): Endpoint {
  const request = requestTo(url)
  request.timeout = timeoutMs
  request.setThrottleParams({ maxAttempts: 1 })
  const network = Network.from(chainId)
  const provider = new JsonRpcProvider(request, network, {
    staticNetwork: network,
    batchMaxCount: 1,
    cacheTimeout: -1,
  })
  return {
    async send(method, params) {
      const leftMs = endsAt - performance.now()
      const late = leftMs < timeoutMs ? OUT_OF_TIME : `no answer within ${timeoutMs / 1000} s`
      if (leftMs <= 0) throw new ReadFault(late)
      let timer: ReturnType<typeof setTimeout> | undefined
      const timeout = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new ReadFault(late)), Math.min(timeoutMs, leftMs))
      })
      try {
        return await Promise.race([provider.send(method, params), timeout])
      } catch (error) {
        throw error instanceof ReadFault ? error : new ReadFault(faultOf(error), { cause: error })
      } finally {
        clearTimeout(timer)
      }
    },
    close: () => provider.destroy(),
  }
}

function requestTo(url: string): FetchRequest {
  const scheme = /^https?:\/\//i.exec(url)
  if (scheme === null) throw new ReadFault('the endpoint is not an http or https URL')
  return new FetchRequest(url)
}

/** ethers' own messages carry the URL, and with it API keys; only the kind of fault is told. */
function faultOf(error: unknown): string {
  const {
    code,
    error: rpcError,
    response,
  } = (error ?? {}) as {
    code?: unknown
    error?: { code?: unknown }
    response?: { statusCode?: unknown }
  }
  if (code === 'TIMEOUT') return 'no answer in time'
  if (typeof response?.statusCode === 'number') return `it answered HTTP ${response.statusCode}`
  if (typeof rpcError?.code === 'number') return `it answered JSON-RPC error ${rpcError.code}`
  if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) return `no connection (${code})`
  return 'it gave no answer that could be used'
}
