/** Which failed calls are worth repeating, after which pause. In: one way to ask. Out: the same, with patience. */
import { RpcAnswerError, RpcTransportError } from './json-rpc.ts'
import { AnswerTooLongError } from './rpc-transport.ts'
import type { Ask } from './rpc-values.ts'

/**
 * `limited` the endpoint takes no more calls now, and did not carry this one out; `flaky` it failed although the
 * question is sound, as balancers do when one of their nodes lags; `silent` no answer in time; `away` nothing was sent;
 * `refused` any other answer: the same question gets it again.
 */
export type FaultKind = 'limited' | 'flaky' | 'silent' | 'away' | 'refused'

/** JSON-RPC codes that mean "too many requests". */
const LIMIT_CODES = new Set([429, -32005, -32097])
const LIMIT_WORDS =
  /rate.?limit|too many requests|requests? (per|limit)|per second|compute units|throughput|throttl|quota|over.?loaded|capacity exceeded|try again (later|in)|back.?off/i
/** A failure of the endpoint, or of one node behind it, not of the question. */
const INTERNAL_ERROR = -32603
/** Besu and Erigon: there is no such block. */
const NO_SUCH_BLOCK = -39001
const FLAKY_WORDS =
  /(header|block|state|epoch)\b.{0,40}\b(not (be )?(found|available)|unavailable|unknown)|(unknown|missing) (block|header|trie node)|could not find (block|header)|time.?(d )?out|tempora|internal (server )?error|upstream|bad gateway|service unavailable|no (healthy|available)|connection (reset|closed|refused)|server (is )?busy/i
const FLAKY_STATUSES = new Set([408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524])

export function faultKindOf(error: unknown): FaultKind {
  if (error instanceof RpcTransportError) return transportKind(error)
  if (!(error instanceof RpcAnswerError)) return 'refused'
  if (error.status === 429 || LIMIT_CODES.has(error.code) || LIMIT_WORDS.test(error.message)) return 'limited'
  if (FLAKY_STATUSES.has(error.status) && error.status !== 500) return 'flaky'
  if (error.code === NO_SUCH_BLOCK) return 'refused'
  return error.code === INTERNAL_ERROR || FLAKY_WORDS.test(error.message) ? 'flaky' : 'refused'
}

function transportKind({ status, sent, timedOut, cause }: RpcTransportError): FaultKind {
  if (cause instanceof AnswerTooLongError) return 'refused'
  if (timedOut) return 'silent'
  if (status === 429) return 'limited'
  if (!sent) return 'away'
  // A page instead of an answer, half an answer, or a broken connection.
  return status === null || status < 300 || FLAKY_STATUSES.has(status) ? 'flaky' : 'refused'
}

export type Patience = {
  /** How often a call that failed so is repeated. Kinds that are left out are not. */
  repeats: Partial<Record<FaultKind, number>>
  /** Ms that all calls together may still take; no repetition starts later. */
  leftMs(): number
  /** A longer pause, when an endpoint asks for it, ends the patience. */
  longestPauseMs: number
  /** Rejects when the caller gives up meanwhile. */
  pause(ms: number): Promise<void>
  /** Between 0 and 1, for jitter. */
  random(): number
}

const FIRST_PAUSE_MS = { limited: 250, flaky: 50, silent: 0, away: 250, refused: 250 }
const LONGEST_OWN_PAUSE_MS = 2_000

/**
 * Asks again after a pause that doubles, or as long as the endpoint asks for.
 * @throws what `ask` threw last
 */
export function patient(ask: Ask, patience: Patience): Ask {
  return async (method, params) => {
    const failures: Partial<Record<FaultKind, number>> = {}
    for (;;) {
      try {
        return await ask(method, params)
      } catch (error) {
        const kind = faultKindOf(error)
        const count = (failures[kind] ?? 0) + 1
        failures[kind] = count
        const pauseMs = pauseAfter(error, kind, count, patience.random)
        if (count > (patience.repeats[kind] ?? 0)) throw error
        if (pauseMs > patience.longestPauseMs || pauseMs >= patience.leftMs()) throw error
        await patience.pause(pauseMs)
      }
    }
  }
}

/** Half of it is jitter. */
function pauseAfter(error: unknown, kind: FaultKind, count: number, random: () => number): number {
  const asked = (error as { retryAfterMs?: number }).retryAfterMs
  if (asked !== undefined) return Math.ceil(asked)
  const longest = Math.min(LONGEST_OWN_PAUSE_MS, FIRST_PAUSE_MS[kind] * 2 ** (count - 1))
  return longest * (0.5 + random() / 2)
}
