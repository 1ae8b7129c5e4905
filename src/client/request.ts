/**
 * HTTP to a Holdfast daemon: one call in, its response out, with retries and with problem documents as errors.
 */
import { ERRORS, type ErrorCode, type ErrorContext, HoldfastError } from '../core/errors.ts'
import { withinTime } from '../core/within-time.ts'

export type Call = {
  method: 'GET' | 'POST'
  /** From the root, as `/v1/records`. */
  path: string
  contentType?: string
  body?: Uint8Array | string
  signal?: AbortSignal | undefined
}

export type RequestSettings = {
  /** Base URL of the daemon, with or without a path. */
  url: string
  apiKey?: string
  fetch?: typeof fetch
  /** How often one call is sent at most; default 6. */
  attempts?: number
  /** For one attempt, answer included; default 60 s. */
  timeoutMs?: number
  /** Waits between attempts; a test may give its own. Rejects when the signal aborts. */
  pause?: (ms: number, signal?: AbortSignal) => Promise<void>
}

/** A 2xx answer, read to its end. `retryAfter` is in seconds. */
export type Answer = { status: number; text: string; retryAfter: number | undefined }
export type Send = (call: Call) => Promise<Answer>

const LONGEST_PAUSE_MS = 60_000

/**
 * A function that sends calls and resolves to a 2xx answer.
 *
 * Answers 429 and 503 and broken connections are tried again after Retry-After, or else after a doubling time, with
 * jitter. A push whose answer was lost may thereby be stored twice: two leaves of the same hash, which is harmless.
 *
 * The promise rejects with HoldfastError: the server's own code and message for its problem documents, UNREACHABLE when
 * no attempt got an answer, or the signal's reason when it aborts.
 * @throws HoldfastError INVALID_CONFIG for a URL that is not http(s)
 */
export function createRequester(settings: RequestSettings): Send {
  const { apiKey, attempts = 6, timeoutMs = 60_000, pause = pauseFor } = settings
  const send = settings.fetch ?? fetch
  const base = baseOf(settings.url)

  const attempt = async (call: Call): Promise<Answer> => {
    const headers: Record<string, string> = { accept: 'application/json, application/problem+json' }
    if (apiKey !== undefined) headers.authorization = `Bearer ${apiKey}`
    if (call.contentType !== undefined) headers['content-type'] = call.contentType
    let response: Response
    let text: string
    try {
      ;[response, text] = await withinTime(timeoutMs, call.signal, async (signal) => {
        const answer = await send(base + call.path, {
          method: call.method,
          headers,
          signal,
          ...(call.body !== undefined && { body: call.body }),
        })
        return [answer, await answer.text()]
      })
    } catch (cause) {
      call.signal?.throwIfAborted()
      throw new HoldfastError('UNREACHABLE', `No answer from ${base}: ${reasonOf(cause)}.`, { cause })
    }
    const retryAfter = secondsOf(response.headers.get('retry-after'))
    if (response.ok) return { status: response.status, text, retryAfter }
    throw problemOf(response.status, text, retryAfter)
  }

  return async (call) => {
    for (let tried = 1; ; tried++) {
      call.signal?.throwIfAborted()
      try {
        return await attempt(call)
      } catch (error) {
        if (!(error instanceof HoldfastError) || error.kind !== 'retry' || tried >= attempts) throw error
        const asked = error.context.retryAfter
        const step = asked === undefined ? 250 * 2 ** (tried - 1) : asked * 1000
        await pause(Math.min(LONGEST_PAUSE_MS, step + Math.random() * Math.max(250, step / 4)), call.signal)
      }
    }
  }
}

/**
 * The JSON of an answer.
 * @throws HoldfastError UNREACHABLE when it is none: something between us and the daemon answered
 */
export function jsonOf(answer: Answer): unknown {
  try {
    return JSON.parse(answer.text)
  } catch (cause) {
    throw new HoldfastError('UNREACHABLE', 'The answer is not JSON; is this the URL of a Holdfast daemon?', {
      cause,
    })
  }
}

/** Resolves after the time; rejects with the signal's reason as soon as that aborts. */
export function pauseFor(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal?.aborted) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })
}

function problemOf(status: number, text: string, retryAfter: number | undefined): HoldfastError {
  const problem = objectOf(text)
  const context: ErrorContext = {
    ...(retryAfter !== undefined && { retryAfter }),
    ...pickNumber(problem, 'index'),
    ...pickNumber(problem, 'line'),
    ...pickNumber(problem, 'accepted'),
  }
  const detail = typeof problem.detail === 'string' ? problem.detail : `The server answered HTTP ${status}.`
  if (typeof problem.code === 'string' && Object.hasOwn(ERRORS, problem.code)) {
    return new HoldfastError(problem.code as ErrorCode, detail, context)
  }
  return new HoldfastError(codeOfStatus(status), detail, context)
}

/** For answers that are not Holdfast's own, as a proxy on the way gives them. */
function codeOfStatus(status: number): ErrorCode {
  if (status === 429 || status === 502 || status === 503 || status === 504) return 'UNREACHABLE'
  if (status === 401) return 'UNAUTHORIZED'
  if (status === 403) return 'FORBIDDEN'
  if (status === 404) return 'NOT_FOUND'
  if (status === 413) return 'PAYLOAD_TOO_LARGE'
  return status < 500 ? 'INVALID_REQUEST' : 'INTERNAL'
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

/** Retry-After in seconds, or the time until its date. */
function secondsOf(header: string | null): number | undefined {
  if (header === null) return undefined
  if (/^\d+$/.test(header)) return Number(header)
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, (at - Date.now()) / 1000)
}

function baseOf(url: string): string {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new HoldfastError(
      'INVALID_CONFIG',
      `The daemon's URL must be http or https, got ${JSON.stringify(url)}.`,
    )
  }
  return url.replace(/\/+$/, '')
}

function reasonOf(error: unknown): string {
  const { name, message, cause } = error as { name?: string; message?: string; cause?: { code?: string } }
  if (name === 'TimeoutError') return 'it took too long'
  return cause?.code ?? message ?? 'the connection broke'
}
