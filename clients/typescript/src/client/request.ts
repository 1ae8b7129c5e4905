/** HTTP to a Holdfast daemon: one call in, its answer out, with retries, and problem documents as errors. */
import { type ErrorContext, type ErrorKind, HoldfastError } from '../errors.ts'
import { type Limit, pause as pauseFor, timedOut, withLimit } from './time.ts'

export type Call = {
  method: 'GET' | 'POST'
  /** From the root, as `/v1/records`. */
  path: string
  contentType?: string
  body?: Uint8Array | string
  limit: Limit
}

export type RequestSettings = {
  /** Base URL of the daemon, with or without a path. */
  url: string
  apiKey?: string | undefined
  fetch?: typeof fetch | undefined
  /**
   * How long one request is retried while the daemon is away or busy, in ms; default 120,000. What makes progress, such
   * as the next slice of a push, begins anew.
   */
  patienceMs?: number | undefined
  /** For one attempt, answer included, in ms; default 60,000. */
  timeoutMs?: number | undefined
  /** Waits between attempts; a test may give its own. Rejects when the signal aborts. */
  pause?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined
}

/** A 2xx answer whose body is still to be read. `retryAfterMs` is what it asks for. */
export type Answer = { status: number; retryAfterMs: number | undefined; response: Response }

/** Sends one attempt after another, and has `read` take in the answer: a broken body is a failed attempt too. */
export type Send = <T>(call: Call, read: (answer: Answer) => Promise<T>) => Promise<T>

const PATIENCE_MS = 120_000
const TIMEOUT_MS = 60_000
const FIRST_PAUSE_MS = 250
const LONGEST_OWN_PAUSE_MS = 10_000

/**
 * Answers 408, 425, 429, 502, 503 and 504, broken connections and broken bodies are tried again after Retry-After, or
 * else after a doubling time, with jitter.
 *
 * The promise rejects with HoldfastError: the daemon's own code and message, UNREACHABLE when no attempt got an answer,
 * TIMED_OUT at the deadline; or with the signal's reason when that aborts.
 * @throws HoldfastError INVALID_CONFIG for a URL that is not http or https
 */
export function createSend(settings: RequestSettings): Send {
  const { apiKey, patienceMs = PATIENCE_MS, timeoutMs = TIMEOUT_MS, pause = pauseFor } = settings
  const fetchNow = settings.fetch ?? fetch
  const base = baseOf(settings.url)

  async function attempt<T>(call: Call, read: (answer: Answer) => Promise<T>, leftMs: number): Promise<T> {
    const headers: Record<string, string> = {
      accept: 'application/json, application/x-ndjson, application/problem+json',
    }
    if (apiKey !== undefined) headers.authorization = `Bearer ${apiKey}`
    if (call.contentType !== undefined) headers['content-type'] = call.contentType
    const limit = withLimit(Math.min(timeoutMs, leftMs), call.limit.signal)
    try {
      const response = await fetchNow(base + call.path, {
        method: call.method,
        headers,
        signal: limit.signal,
        ...(call.body !== undefined && { body: call.body as NonNullable<RequestInit['body']> }),
      })
      const retryAfterMs = retryAfterOf(response.headers.get('retry-after'))
      if (!response.ok) throw problemOf(response.status, await response.text(), retryAfterMs)
      return await read({ status: response.status, retryAfterMs, response })
    } catch (cause) {
      call.limit.signal?.throwIfAborted()
      if (cause instanceof HoldfastError) throw cause
      const reason = limit.isOver() ? 'it took too long' : reasonOf(cause)
      throw new HoldfastError('UNREACHABLE', `No answer from ${base}: ${reason}.`, { cause })
    } finally {
      limit.end()
    }
  }

  return async (call, read) => {
    const { signal, deadline = Number.POSITIVE_INFINITY } = call.limit
    const givesUpAt = performance.now() + patienceMs
    for (let tried = 1; ; tried++) {
      signal?.throwIfAborted()
      const leftMs = deadline - performance.now()
      if (leftMs <= 0) throw timedOut()
      try {
        return await attempt(call, read, leftMs)
      } catch (error) {
        if (!(error instanceof HoldfastError) || error.kind !== 'retry') throw error
        const pauseMs = pauseAfter(error, tried)
        const wakesAt = performance.now() + pauseMs
        if (wakesAt >= deadline) throw timedOut(error)
        if (wakesAt >= givesUpAt) throw error
        await pause(pauseMs, signal)
      }
    }
  }
}

/** As long as the daemon asks for and up to a quarter more, so that many clients do not come back at once. */
function pauseAfter({ context }: HoldfastError, tried: number): number {
  const asked = context.retryAfter
  const step =
    asked === undefined ? Math.min(LONGEST_OWN_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tried - 1)) : asked * 1000
  return step + Math.random() * Math.max(FIRST_PAUSE_MS, step / 4)
}

const RETRIED = new Set([408, 425, 429, 502, 503, 504])

function problemOf(status: number, text: string, retryAfterMs: number | undefined): HoldfastError {
  const problem = objectOf(text)
  const context: ErrorContext = {
    ...(retryAfterMs !== undefined && { retryAfter: retryAfterMs / 1000 }),
    ...pickNumber(problem, 'index'),
    ...pickNumber(problem, 'line'),
    ...pickNumber(problem, 'accepted'),
  }
  const detail = typeof problem.detail === 'string' ? problem.detail : `The server answered HTTP ${status}.`
  const isOwn = typeof problem.code === 'string' && /^[A-Z][A-Z_]{1,63}$/.test(problem.code)
  return new HoldfastError(isOwn ? (problem.code as string) : codeOfStatus(status), detail, {
    ...context,
    status,
    kind: kindOfStatus(status),
  })
}

function kindOfStatus(status: number): ErrorKind {
  if (RETRIED.has(status)) return 'retry'
  return status < 500 ? 'reject' : 'stop'
}

/** For answers that are not Holdfast's own, as a proxy on the way gives them. */
function codeOfStatus(status: number): string {
  if (RETRIED.has(status)) return 'UNREACHABLE'
  const known: Record<number, string> = {
    401: 'UNAUTHORIZED',
    403: 'FORBIDDEN',
    404: 'NOT_FOUND',
    413: 'PAYLOAD_TOO_LARGE',
  }
  return known[status] ?? (status < 500 ? 'INVALID_REQUEST' : 'INTERNAL')
}

function objectOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

function pickNumber(problem: Record<string, unknown>, key: 'index' | 'line' | 'accepted'): ErrorContext {
  const value = problem[key]
  return typeof value === 'number' ? { [key]: value } : {}
}

/** Retry-After in ms, or the time until its date. */
function retryAfterOf(header: string | null): number | undefined {
  if (header === null) return undefined
  if (/^\d+$/.test(header)) return Number(header) * 1000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now())
}

function baseOf(url: string): string {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    const got = JSON.stringify(url)
    throw new HoldfastError('INVALID_CONFIG', `The daemon's URL must be http or https, got ${got}.`)
  }
  return url.replace(/\/+$/, '')
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { code?: string } }
  return cause?.code ?? message ?? 'the connection broke'
}
