import { createJsonRpc, RpcAnswerError, RpcTransportError } from 'holdfast-client/json-rpc'
import { HoldfastError } from '../../core/errors.ts'
import type { Metrics } from '../../core/metrics.ts'
import type { Clock, Logger } from '../../core/ports.ts'

export type EndpointHealth = {
  /** Host and port only: paths and users of RPC URLs are often secrets. */
  name: string
  state: 'ok' | 'failing' | 'wrong_chain' | 'unknown'
  /** Newest block it has shown. */
  head: number | null
  /** In a row: calls that failed, or looks at the chain that it could not serve to their end. */
  failures: number
  lastError: string | null
}

/** One RPC endpoint of one chain. It backs off by itself: while it does, calls fail at once, not sent. */
export type Endpoint = {
  readonly name: string
  /**
   * Asks the chain's id first, whenever the last call failed in transport.
   * @throws RpcAnswerError, RpcTransportError, HoldfastError WRONG_CHAIN
   */
  call(method: string, params: readonly unknown[]): Promise<unknown>
  /** A look at the chain through it failed: it may answer, but not all that is needed. */
  lookFailed(error: unknown): void
  /** A look at the chain through it came to its end: only this makes up for those that failed. */
  lookDone(): void
  /** Whether it failed a look lately, so that others are looked through first. It is sent to all the same. */
  isSetAside(): boolean
  /** Remembers the newest block it has shown. */
  sawHead(head: number): void
  health(): EndpointHealth
  /** Ms until it may be called again; 0 when it may now. */
  waitMs(): number
  close(): void
}

const FIRST_WAIT_MS = 250
const LONGEST_WAIT_MS = 30_000
/** An endpoint that asks for longer is asked again all the same: its wish must not outlast a deadline. */
const LONGEST_ASKED_MS = 300_000
/** Another is looked through first for this long after a failed look, and twice as long after each further one. */
const FIRST_ASIDE_MS = 30_000
const LONGEST_ASIDE_MS = 600_000
/** JSON-RPC codes by which gateways say "too many requests". */
const LIMIT_CODES = new Set([429, -32005, -32097])
/** HTTP statuses by which gateways say the same, or that nobody is behind them, whatever error they put in the body. */
const BUSY_STATUSES = new Set([429, 502, 503, 504])

export function createEndpoint(options: {
  url: string
  name: string
  chainId: number
  timeoutMs: number
  clock: Clock
  logger: Logger
  metrics: Metrics
  /** Between 0 and 1, for jitter. */
  random: () => number
}): Endpoint {
  const { name, chainId, clock, logger, metrics } = options
  const rpc = createJsonRpc({ url: options.url, timeoutMs: options.timeoutMs })
  const labels = { chain: String(chainId), endpoint: name }
  let failures = 0
  let notBefore = 0
  let failedLooks = 0
  let asideUntil = 0
  let lookError: string | null = null
  let chainProbe: Promise<void> | null = null
  let wrongChain = false
  let answered = false
  let lastError: string | null = null
  let head: number | null = null

  async function call(method: string, params: readonly unknown[]): Promise<unknown> {
    if (clock.now() < notBefore) {
      throw new RpcTransportError(`backing off after: ${lastError}`, { sent: false })
    }
    chainProbe ??= probeChain()
    await chainProbe.catch((error: unknown) => {
      // Whatever became of the question for the chain's id, this one was not asked.
      if (error instanceof HoldfastError) throw error
      throw new RpcTransportError((error as Error).message, { sent: false, cause: error })
    })
    return measured(method, params)
  }

  async function probeChain(): Promise<void> {
    try {
      const id = Number(await measured('eth_chainId', []))
      wrongChain = id !== chainId
      if (!wrongChain) return
      throw new HoldfastError('WRONG_CHAIN', `${name} serves chain ${id}, not ${chainId}.`)
    } catch (error) {
      if (error instanceof HoldfastError || !isOutage(error)) failed(error)
      chainProbe = null
      throw error
    }
  }

  async function measured(method: string, params: readonly unknown[]): Promise<unknown> {
    const startedAt = clock.now()
    try {
      const result = await rpc.call(method, params)
      succeeded()
      return result
    } catch (error) {
      if (isOutage(error)) failed(error)
      else succeeded()
      throw error
    } finally {
      metrics.observe('holdfast_rpc_seconds', (clock.now() - startedAt) / 1000, { ...labels, method })
    }
  }

  function succeeded(): void {
    if (failures > 0) logger.info({ endpoint: name }, 'rpc endpoint answers again')
    failures = 0
    notBefore = 0
    answered = true
    lastError = null
    if (failedLooks === 0) metrics.gauge('holdfast_rpc_up', 1, labels)
  }

  function failed(error: unknown): void {
    failures += 1
    lastError = error instanceof Error ? error.message : String(error)
    const asked = (error as { retryAfterMs?: number }).retryAfterMs
    notBefore = clock.now() + Math.ceil(asked === undefined ? ownWaitMs() : Math.min(asked, LONGEST_ASKED_MS))
    if (error instanceof RpcTransportError) chainProbe = null
    metrics.gauge('holdfast_rpc_up', 0, labels)
    metrics.count('holdfast_rpc_failures_total', 1, labels)
    if (failures === 1 || wrongChain) logger.warn({ endpoint: name, err: error }, 'rpc endpoint fails')
  }

  /** Doubles with each failure in a row; half of it is jitter. */
  function ownWaitMs(): number {
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures - 1, 20))
    return longest * (0.5 + options.random() / 2)
  }

  return {
    name,
    call,
    lookFailed(error) {
      failedLooks += 1
      lookError = error instanceof Error ? error.message : String(error)
      asideUntil =
        clock.now() + Math.min(LONGEST_ASIDE_MS, FIRST_ASIDE_MS * 2 ** Math.min(failedLooks - 1, 20))
      metrics.gauge('holdfast_rpc_up', 0, labels)
      metrics.count('holdfast_rpc_failures_total', 1, labels)
      if (failedLooks === 1) logger.warn({ endpoint: name, err: error }, 'rpc endpoint lacks what is needed')
    },
    lookDone() {
      if (failedLooks > 0) logger.info({ endpoint: name }, 'rpc endpoint has what is needed again')
      failedLooks = 0
      asideUntil = 0
      lookError = null
      if (failures === 0) metrics.gauge('holdfast_rpc_up', 1, labels)
    },
    isSetAside: () => clock.now() < asideUntil,
    sawHead(number) {
      head = number
      metrics.gauge('holdfast_rpc_head', number, labels)
    },
    waitMs: () => Math.max(0, notBefore - clock.now()),
    health: () => ({
      name,
      state: wrongChain
        ? 'wrong_chain'
        : failures + failedLooks > 0
          ? 'failing'
          : answered
            ? 'ok'
            : 'unknown',
      head,
      failures: Math.max(failures, failedLooks),
      lastError: lastError ?? lookError,
    }),
    close: rpc.close,
  }
}

/** Whether the endpoint gave no answer to this call and is to be left alone for a while. */
function isOutage(error: unknown): boolean {
  if (!(error instanceof RpcAnswerError)) return true
  return LIMIT_CODES.has(error.code) || BUSY_STATUSES.has(error.status)
}

/** Distinct, and without what may be secret. */
export function endpointNames(urls: readonly string[]): string[] {
  const seen = new Map<string, number>()
  return urls.map((url) => {
    const { host } = new URL(url)
    const count = (seen.get(host) ?? 0) + 1
    seen.set(host, count)
    return count === 1 ? host : `${host}#${count}`
  })
}
