/** One JSON-RPC request over HTTP, with the three ways it can end kept apart: a result, an answered error, neither. */
import { abortAfter } from '../../core/abort-after.ts'

/** The endpoint answered with a JSON-RPC error object. */
export class RpcAnswerError extends Error {
  readonly code: number
  readonly data: unknown
  /** HTTP status that the error came with. */
  readonly status: number
  readonly retryAfterMs: number | undefined

  constructor(
    code: number,
    message: string,
    data?: unknown,
    http: { status?: number; retryAfterMs?: number | undefined } = {},
  ) {
    super(message)
    this.name = 'RpcAnswerError'
    this.code = code
    this.data = data
    this.status = http.status ?? 200
    this.retryAfterMs = http.retryAfterMs
  }
}

/**
 * No usable answer: refused, reset, timed out, not JSON, another request's id. Unless `sent` is false the endpoint may
 * have carried the request out.
 */
export class RpcTransportError extends Error {
  readonly sent: boolean
  readonly retryAfterMs: number | undefined

  constructor(
    message: string,
    options: { sent: boolean; retryAfterMs?: number | undefined; cause?: unknown },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'RpcTransportError'
    this.sent = options.sent
    this.retryAfterMs = options.retryAfterMs
  }
}

/** A result, but not of the form that the method promises. */
export class MalformedAnswerError extends Error {
  constructor(message: string, options: { cause: unknown }) {
    super(message, options)
    this.name = 'MalformedAnswerError'
  }
}

/** Another endpoint shows what this one lacks or denies. */
export class ContradictedAnswerError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ContradictedAnswerError'
  }
}

/** Whether it is the endpoint that failed, so that another one may do better. */
export function isEndpointFault(error: unknown): error is Error {
  return (
    error instanceof RpcAnswerError ||
    error instanceof RpcTransportError ||
    error instanceof MalformedAnswerError ||
    error instanceof ContradictedAnswerError
  )
}

export type JsonRpc = {
  /**
   * @throws RpcAnswerError when the endpoint answered with an error
   * @throws RpcTransportError when it gave no usable answer within the time limit
   */
  call(method: string, params: readonly unknown[]): Promise<unknown>
  /** Aborts what is under way; later calls fail. */
  close(): void
}

/** Errors of connecting: not a byte of the request has left. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/**
 * ethers' own transport is not used: its time-out counts idle time only and leaves the socket open, and its provider
 * rewrites the wording of errors that the sender has to classify.
 * @param timeoutMs from the first byte sent to the last received
 */
export function createJsonRpc(options: { url: string; timeoutMs: number }): JsonRpc {
  const { url, headers } = splitCredentials(options.url)
  const closed = new AbortController()
  let lastId = 0

  async function call(method: string, params: readonly unknown[]): Promise<unknown> {
    const id = ++lastId
    const signal = abortAfter(options.timeoutMs, closed.signal)
    let response: Response
    let text: string
    try {
      const body = JSON.stringify({ jsonrpc: '2.0', id, method, params })
      response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'error' })
      text = await response.text()
    } catch (error) {
      throw transportError(error, options.timeoutMs)
    }
    return resultOf(id, response, text)
  }

  return { call, close: () => closed.abort(new Error('closed')) }
}

function resultOf(id: number, response: Response, text: string): unknown {
  const retryAfterMs = retryAfterOf(response)
  const answer = parse(text)
  if (answer !== undefined) {
    if (isErrorObject(answer.error) && (answer.id === id || answer.id === null || answer.id === undefined)) {
      const { code, message, data } = answer.error
      throw new RpcAnswerError(code, message, data, { status: response.status, retryAfterMs })
    }
    if (answer.id === id && 'result' in answer) return answer.result
  }
  const fault = response.ok
    ? answer?.id === undefined
      ? 'answered with something that is not JSON-RPC'
      : 'answered another request'
    : `answered HTTP ${response.status}`
  throw new RpcTransportError(fault, { sent: true, retryAfterMs })
}

function parse(text: string): { id?: unknown; result?: unknown; error?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isErrorObject(value: unknown): value is { code: number; message: string; data?: unknown } {
  if (typeof value !== 'object' || value === null) return false
  const { code, message } = value as Record<string, unknown>
  return typeof code === 'number' && typeof message === 'string'
}

/** `Retry-After` in ms, from seconds or a date. */
function retryAfterOf(response: Response): number | undefined {
  const header = response.headers.get('retry-after')
  if (header === null) return undefined
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isFinite(ms) && ms > 0 ? ms : undefined
}

function transportError(error: unknown, timeoutMs: number): RpcTransportError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = (cause as { code?: unknown }).code
  const name = error instanceof Error ? error.name : ''
  const message =
    name === 'TimeoutError'
      ? `no answer within ${timeoutMs} ms`
      : typeof code === 'string'
        ? code
        : cause instanceof Error
          ? cause.message
          : 'failed'
  return new RpcTransportError(message, { sent: !NOT_SENT.has(String(code)), cause: error })
}

function splitCredentials(text: string): { url: string; headers: Record<string, string> } {
  const url = new URL(text)
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (url.username !== '' || url.password !== '') {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
    headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`
    url.username = ''
    url.password = ''
  }
  return { url: url.href, headers }
}
