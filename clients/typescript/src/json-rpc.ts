/**
 * One JSON-RPC request over HTTP. In: a method and its parameters. Out: a result, an answered error, or neither: the
 * three ways a call ends stay apart. The bytes travel through a {@link Transport}, by default `fetch`.
 *
 * Tolerates what carries no meaning: `"error": null`, ids as text, any HTTP status, a byte-order mark, a batch of one.
 * Rejects what does: another request's id, an answer without a result.
 */
import { fetchTransport, type Transport } from './rpc-transport.ts'

/** The endpoint answered with a JSON-RPC error. */
export class RpcAnswerError extends Error {
  override readonly name = 'RpcAnswerError'
  /** 0 when the endpoint gave none. */
  readonly code: number
  readonly data: unknown
  /** HTTP status of the answer. */
  readonly status: number
  readonly retryAfterMs: number | undefined

  constructor(
    code: number,
    message: string,
    data?: unknown,
    http: { status?: number; retryAfterMs?: number | undefined } = {},
  ) {
    super(message)
    this.code = code
    this.data = data
    this.status = http.status ?? 200
    this.retryAfterMs = http.retryAfterMs
  }
}

/**
 * No usable answer: refused, reset, timed out, too long, not JSON, another request's id. Unless `sent` is false, the
 * endpoint may have carried the request out. The message never holds the URL.
 */
export class RpcTransportError extends Error {
  override readonly name = 'RpcTransportError'
  readonly sent: boolean
  /** HTTP status of the answer; null when none came. */
  readonly status: number | null
  readonly retryAfterMs: number | undefined
  /** No answer within the time limit. */
  readonly timedOut: boolean

  constructor(
    message: string,
    options: {
      sent: boolean
      status?: number
      retryAfterMs?: number | undefined
      timedOut?: boolean
      cause?: unknown
    },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.sent = options.sent
    this.status = options.status ?? null
    this.retryAfterMs = options.retryAfterMs
    this.timedOut = options.timedOut ?? false
  }
}

export type JsonRpc = {
  /**
   * @throws RpcAnswerError when the endpoint answered with an error
   * @throws RpcTransportError when it gave no usable answer within the time limit
   */
  call(method: string, params: readonly unknown[]): Promise<unknown>
  /** Aborts the calls under way; later calls fail. */
  close(): void
}

/** The longest answer a question of Holdfast's has: a block's transaction hashes, some thousands of them. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024
/** Error messages are stored and logged; an endpoint may send megabytes. */
const MAX_MESSAGE = 1_000

/**
 * @param options.url http or https; user and password in it become a Basic header. Or a `transport` of the caller's
 * @param options.timeoutMs from the first byte sent to the last received
 * @param options.maxAnswerBytes a longer answer is cut off and counts as none; default 8 MiB
 * @throws TypeError for a URL that is not http or https
 */
export function createJsonRpc(
  options: ({ url: string } | { transport: Transport }) & { timeoutMs: number; maxAnswerBytes?: number },
): JsonRpc {
  const transport = 'transport' in options ? options.transport : fetchTransport(options.url)
  const maxBytes = options.maxAnswerBytes ?? MAX_ANSWER_BYTES
  const open = new Set<AbortController>()
  let closed = false
  let lastId = 0

  async function call(method: string, params: readonly unknown[]): Promise<unknown> {
    if (closed) throw new RpcTransportError('closed', { sent: false })
    const id = ++lastId
    const body = JSON.stringify({ jsonrpc: '2.0', id, method, params })
    const abort = new AbortController()
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      abort.abort()
    }, options.timeoutMs)
    open.add(abort)
    try {
      const answer = await transport(body, { signal: abort.signal, maxBytes })
      return resultOf(id, answer.status, answer.text, answer.retryAfter)
    } catch (error) {
      if (error instanceof RpcAnswerError || error instanceof RpcTransportError) throw error
      if (timedOut) {
        const message = `no answer within ${options.timeoutMs} ms`
        throw new RpcTransportError(message, { sent: true, timedOut: true, cause: error })
      }
      throw transportError(error)
    } finally {
      clearTimeout(timer)
      open.delete(abort)
    }
  }

  return {
    call,
    close() {
      closed = true
      for (const abort of open) abort.abort()
    },
  }
}

function resultOf(id: number, status: number, text: string, retryAfter: string | null): unknown {
  const answer = parse(text)
  const http = { status, retryAfterMs: retryAfterOf(retryAfter) }
  if (answer !== undefined) {
    const error = errorOf(answer)
    const noId = answer.id === null || answer.id === undefined
    if (error !== null && (noId || isOwnId(answer.id, id))) {
      const retryAfterMs = http.retryAfterMs ?? error.retryAfterMs
      throw new RpcAnswerError(error.code, error.message, error.data, { status, retryAfterMs })
    }
    if (error === null && 'result' in answer && isOwnId(answer.id, id)) return answer.result
  }
  const isOk = status >= 200 && status < 300
  const fault = !isOk
    ? `answered HTTP ${status}`
    : answer?.id === undefined
      ? 'answered with something that is not JSON-RPC'
      : 'answered another request'
  throw new RpcTransportError(fault, { sent: true, ...http })
}

/** Some servers write every id as text. */
function isOwnId(answered: unknown, id: number): boolean {
  return answered === id || answered === String(id)
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    let value: unknown = JSON.parse(text)
    if (Array.isArray(value) && value.length === 1) value = value[0]
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

type AnsweredError = { code: number; message: string; data: unknown; retryAfterMs: number | undefined }

/** Null when the answer holds no error, or an empty one beside its result. */
function errorOf(answer: Record<string, unknown>): AnsweredError | null {
  const { error } = answer
  if (error === null || error === undefined || error === false || error === '') return null
  const fields = (typeof error === 'object' ? error : { message: String(error) }) as Record<string, unknown>
  const code = Number(fields.code ?? 0)
  const message = typeof fields.message === 'string' ? fields.message : ''
  const isEmpty = message === '' && (code === 0 || Number.isNaN(code))
  if (isEmpty && answer.result !== undefined && answer.result !== null) return null
  return {
    code: Number.isSafeInteger(code) ? code : 0,
    message: (message === '' ? 'an error without a message' : message).slice(0, MAX_MESSAGE),
    data: fields.data,
    retryAfterMs: backoffOf(fields.data),
  }
}

/** Infura writes how long to wait into the error: `data.rate.backoff_seconds`. */
function backoffOf(data: unknown): number | undefined {
  const rate = (data as { rate?: { backoff_seconds?: unknown } } | null | undefined)?.rate
  const seconds = Number(rate?.backoff_seconds)
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined
}

/** `Retry-After` in ms, from seconds or a date. */
function retryAfterOf(header: string | null): number | undefined {
  if (header === null) return undefined
  const ms = /^\s*\d+(\.\d+)?\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isFinite(ms) && ms > 0 ? ms : undefined
}

/** Errors of connecting: no byte of the request has left. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])
/** Errors of agreeing on TLS, which comes before the request. */
const TLS_FAULT = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/

/** Only codes are told: libraries' own messages may hold the URL, and with it keys. */
function transportError(error: unknown): RpcTransportError {
  const outer = error as { code?: unknown; cause?: { code?: unknown } } | null
  const code = [outer?.cause?.code, outer?.code].find((each) => typeof each === 'string') as
    | string
    | undefined
  const sent = code === undefined || !(NOT_SENT.has(code) || TLS_FAULT.test(code))
  return new RpcTransportError(code ?? 'the connection failed', { sent, cause: error })
}
