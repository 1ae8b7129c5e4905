/** The RPC endpoints that an auditor gave, opened once for a whole check. */
import { createJsonRpc, type JsonRpc } from '../json-rpc.ts'
import { patient } from '../rpc-retry.ts'
import { type Ask, askFor, quantityOf } from '../rpc-values.ts'

/**
 * URLs for whichever chain each serves; or by chain id (`31337` or `eip155:31337`); or a function of the numeric chain
 * id.
 */
export type RpcEndpoints =
  | string
  | readonly string[]
  | Readonly<Record<string, string | readonly string[]>>
  | ((chainId: number) => string | readonly string[] | undefined)

export type Endpoint = {
  /** Its place among the endpoints given, and its host; never its path, user or password. */
  name: string
  /** Whether it was given for this chain. One that was not may serve another without fault. */
  isForChain: boolean
  /** Chain id that it serves, asked once. */
  chainId(): Promise<number>
  /** Rejects with an error whose message may be shown. */
  ask: Ask
}

export type EndpointPool = {
  /** @param chainId CAIP-2 */
  of(chainId: string): Endpoint[]
  close(): void
}

/** How long reading may take. */
export type ReadLimits = {
  /** For each call, in ms. */
  timeoutMs: number
  /** For all calls together, in ms from now; undefined for no such limit. */
  deadlineMs?: number | undefined
  /** Whether endpoints are named with their hosts; default true. */
  namesHosts?: boolean
}

const OUT_OF_TIME = 'the time for the whole check was over'
/** For all repetitions of calls to one endpoint that fail for a passing reason, from the first failure. */
const PATIENCE_MS = 10_000
/** A failed question for the chain id is asked again after this long. */
const FAILURE_KEPT_MS = 30_000

export function openEndpoints(given: RpcEndpoints, limits: ReadLimits): EndpointPool {
  const { timeoutMs, deadlineMs, namesHosts = true } = limits
  const clients = new Map<string, Client>()
  let isOver = false
  const timer = deadlineMs === undefined ? undefined : setTimeout(endAll, deadlineMs)

  function endAll(): void {
    isOver = true
    for (const client of clients.values()) client.close()
  }

  function clientOf(url: string): Client {
    const known = clients.get(url)
    if (known !== undefined) return known
    const opened = openClient(url, timeoutMs, () => isOver)
    clients.set(url, opened)
    return opened
  }

  return {
    of(chainId) {
      const { urls, isForChain } = urlsOf(given, chainId)
      return urls.map((url, i) => {
        const { ask, chainId: served } = clientOf(url)
        return { name: `endpoint ${i + 1}${namesHosts ? hostOf(url) : ''}`, isForChain, ask, chainId: served }
      })
    },
    close() {
      clearTimeout(timer)
      for (const client of clients.values()) client.close()
    },
  }
}

type Client = { ask: Ask; chainId(): Promise<number>; close(): void }

function openClient(url: string, timeoutMs: number, isOver: () => boolean): Client {
  let rpc: JsonRpc | undefined
  let served: { id: Promise<number>; at: number; failed: boolean } | undefined

  const once: Ask = async (method, params) => {
    if (isOver()) throw new Error(OUT_OF_TIME)
    try {
      rpc ??= createJsonRpc({ url, timeoutMs })
      return await rpc.call(method, params)
    } catch (error) {
      throw isOver() ? new Error(OUT_OF_TIME) : error
    }
  }
  let patienceEndsAt: number | undefined
  const ask = patient(once, {
    repeats: { limited: 5, flaky: 4, silent: 1 },
    leftMs() {
      patienceEndsAt ??= performance.now() + PATIENCE_MS
      return patienceEndsAt - performance.now()
    },
    longestPauseMs: 2_000,
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    random: Math.random,
  })

  return {
    ask,
    chainId() {
      if (served !== undefined && !(served.failed && performance.now() - served.at > FAILURE_KEPT_MS)) {
        return served.id
      }
      const asked = { id: askFor(ask, 'eth_chainId', [], quantityOf), at: performance.now(), failed: false }
      asked.id.catch(() => {
        asked.failed = true
      })
      served = asked
      return asked.id
    },
    close: () => rpc?.close(),
  }
}

function hostOf(url: string): string {
  return /^https?:\/\//i.test(url) && URL.canParse(url) ? ` (${new URL(url).host})` : ''
}

function urlsOf(given: RpcEndpoints, chainId: string): { urls: readonly string[]; isForChain: boolean } {
  if (typeof given === 'string') return { urls: [given], isForChain: false }
  if (Array.isArray(given)) return { urls: given as readonly string[], isForChain: false }
  const id = chainId.slice('eip155:'.length)
  const urls =
    typeof given === 'function'
      ? given(Number(id))
      : (own(given as Record<string, string | readonly string[]>, id) ??
        own(given as Record<string, string | readonly string[]>, chainId))
  if (urls === undefined) return { urls: [], isForChain: true }
  return { urls: typeof urls === 'string' ? [urls] : urls, isForChain: true }
}

function own<T>(record: Record<string, T>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined
}
