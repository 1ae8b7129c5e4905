import { setTimeout as sleep } from 'node:timers/promises'
import { createJsonRpc, RpcAnswerError, RpcTransportError } from 'holdfast-client/json-rpc'
import { faultKindOf, type Patience, patient } from 'holdfast-client/rpc-retry'
import { type Ask, askFor, MalformedAnswerError, quantityOf } from 'holdfast-client/rpc-values'
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

/** How long a caller waits for a call to be repeated; without it, the first failure is final. */
export type CallPatience = Pick<Patience, 'repeats' | 'longestPauseMs' | 'leftMs'>

/**
 * One RPC endpoint of one chain. It backs off by itself: while it does, calls wait if the caller has the patience, and
 * fail at once, not sent, if not.
 */
export type Endpoint = {
  readonly name: string
  /**
   * Asks the chain's id first, whenever the connection has broken since the last call.
   * @throws RpcAnswerError, RpcTransportError, HoldfastError WRONG_CHAIN
   */
  call(method: string, params: readonly unknown[], patience?: CallPatience): Promise<unknown>
  /**
   * Asks the chain's id, unless it is known since the connection last broke.
   * @throws as {@link Endpoint.call}
   */
  requireChain(): Promise<void>
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
/** HTTP statuses by which gateways say that nobody is behind them, whatever error they put in the body. */
const BEHIND_NOBODY = new Set([502, 503, 504])
const IMPATIENT: CallPatience = { repeats: {}, longestPauseMs: 0, leftMs: () => 0 }

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
  let chainKnown = false
  let probing: Promise<void> | null = null
  let wrongChain = false
  let answered = false
  let lastError: string | null = null
  const closing = new AbortController()
  let head: number | null = null

  async function call(
    method: string,
    params: readonly unknown[],
    patience: CallPatience = IMPATIENT,
  ): Promise<unknown> {
    const ask = (name: string, args: readonly unknown[]) => once(name, args, patience)
    try {
      const answer = await patiently(ask, patience)(method, params)
      if (failures > 0) logger.info({ endpoint: name }, 'rpc endpoint answers again')
      succeeded()
      return answer
    } catch (error) {
      if (error instanceof BackingOffError) throw error
      if (isOutage(error)) giveUp(error)
      else succeeded()
      throw error
    }
  }

  async function once(method: string, params: readonly unknown[], patience: CallPatience): Promise<unknown> {
    const waitMs = notBefore - clock.now()
    if (waitMs > 0) {
      if (waitMs > patience.longestPauseMs || waitMs >= patience.leftMs()) {
        throw new BackingOffError(`backing off after: ${lastError}`, { sent: false })
      }
      await pause(waitMs)
    }
    await knowChain(patience).catch((error: unknown) => {
      // Whatever became of the question for the chain's id, this one was not asked.
      if (error instanceof HoldfastError) throw error
      throw new RpcTransportError(messageOf(error), { sent: false, cause: error })
    })
    return measured(method, params)
  }

  async function knowChain(patience: CallPatience): Promise<void> {
    if (chainKnown) return
    probing ??= probeChain(patience).finally(() => {
      probing = null
    })
    await probing
  }

  async function requireChain(): Promise<void> {
    try {
      await knowChain(IMPATIENT)
      succeeded()
    } catch (error) {
      giveUp(error)
      throw error
    }
  }

  function patiently(ask: Ask, patience: CallPatience): Ask {
    return patient(ask, { ...patience, pause, random: options.random })
  }

  /** Rejects when the endpoint is closed. */
  async function pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: closing.signal }).catch((cause: unknown) => {
      throw new RpcTransportError('closed', { sent: false, cause })
    })
  }

  async function probeChain(patience: CallPatience): Promise<void> {
    const id = await askFor(patiently(measured, patience), 'eth_chainId', [], quantityOf)
    wrongChain = id !== chainId
    if (wrongChain) throw new HoldfastError('WRONG_CHAIN', `${name} serves chain ${id}, not ${chainId}.`)
    chainKnown = true
  }

  async function measured(method: string, params: readonly unknown[]): Promise<unknown> {
    const startedAt = clock.now()
    try {
      return await rpc.call(method, params)
    } catch (error) {
      if (isOutage(error)) failed(error)
      throw error
    } finally {
      metrics.observe('holdfast_rpc_seconds', (clock.now() - startedAt) / 1000, { ...labels, method })
    }
  }

  function succeeded(): void {
    failures = 0
    notBefore = 0
    answered = true
    lastError = null
    if (failedLooks === 0) metrics.gauge('holdfast_rpc_up', 1, labels)
  }

  /** One try failed; the call may be repeated. */
  function failed(error: unknown): void {
    lastError = messageOf(error)
    const asked = (error as { retryAfterMs?: number }).retryAfterMs
    if (asked !== undefined) notBefore = clock.now() + Math.ceil(Math.min(asked, LONGEST_ASKED_MS))
    // What answers after a broken connection, or behind a gateway that lost its node, may be another node.
    if (error instanceof RpcTransportError && (error.status === null || error.status >= 500))
      chainKnown = false
    metrics.count('holdfast_rpc_failures_total', 1, labels)
  }

  /** A call failed for good. */
  function giveUp(error: unknown): void {
    failures += 1
    lastError = messageOf(error)
    notBefore = Math.max(notBefore, Math.ceil(clock.now() + ownWaitMs()))
    metrics.gauge('holdfast_rpc_up', 0, labels)
    const isNews = failures === 1 || wrongChain
    if (isNews && !closing.signal.aborted) logger.warn({ endpoint: name, err: error }, 'rpc endpoint fails')
  }

  /** Doubles with each failure in a row; half of it is jitter. */
  function ownWaitMs(): number {
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures - 1, 20))
    return longest * (0.5 + options.random() / 2)
  }

  return {
    name,
    call,
    requireChain,
    lookFailed(error) {
      failedLooks += 1
      lookError = messageOf(error)
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
    close() {
      closing.abort()
      rpc.close()
    },
  }
}

/** Not tried at all: the last failure was too short ago. */
class BackingOffError extends RpcTransportError {}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Whether the endpoint gave no answer to this call and is to be left alone for a while. */
function isOutage(error: unknown): boolean {
  if (error instanceof HoldfastError) return true
  if (!(error instanceof RpcAnswerError)) return !(error instanceof MalformedAnswerError)
  return faultKindOf(error) === 'limited' || BEHIND_NOBODY.has(error.status)
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
