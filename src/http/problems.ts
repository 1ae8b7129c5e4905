import { STATUS_CODES } from 'node:http'
import { ERRORS, type ErrorCode, HoldfastError } from '../core/errors.ts'

const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

/** An RFC 9457 document. `index`, `line`, `accepted` and `retryAfter` are there when the error knows them. */
export type Problem = {
  type: string
  title: string
  status: number
  detail: string
  code: ErrorCode
  index?: number
  line?: number
  accepted?: number
  retryAfter?: number
}

/** The problem document of an error. Only a HoldfastError's message is shown; it never holds a stack or a secret. */
export function problemOf(error: HoldfastError): Problem {
  return {
    type: typeOf(error.code),
    title: ERRORS[error.code].title,
    status: error.status,
    detail: error.message,
    code: error.code,
    ...error.context,
  }
}

function typeOf(code: ErrorCode): string {
  return `urn:holdfast:problem:${code.toLowerCase().replaceAll('_', '-')}`
}

/** Headers that go with the document. */
export function problemHeaders(error: HoldfastError): Record<string, string> {
  return {
    'content-type': PROBLEM_TYPE,
    'x-content-type-options': 'nosniff',
    ...(error.kind === 'retry' && { 'retry-after': String(error.context.retryAfter ?? 1) }),
    ...(error.code === 'UNAUTHORIZED' && { 'www-authenticate': 'Bearer realm="holdfast"' }),
  }
}

/**
 * What any error thrown on the way of a request means for its client. Errors of Fastify and of Node's HTTP parser are
 * translated; what is not known becomes INTERNAL, with the original as its cause and nothing of it in the message.
 */
export function asHoldfastError(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error
  const { code, statusCode, message, validation } = error as {
    code?: string
    statusCode?: number
    message?: string
    validation?: unknown
  }
  switch (code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new HoldfastError(
        'UNSUPPORTED_MEDIA_TYPE',
        'The Content-Type of the body is missing or not one that this call takes.',
      )
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new HoldfastError('PAYLOAD_TOO_LARGE', 'The body is larger than announced or allowed.')
    case 'FST_ERR_BAD_URL':
      return new HoldfastError('INVALID_REQUEST', 'The path is not valid percent-encoded text.')
    case 'ECONNRESET':
    case 'ERR_STREAM_PREMATURE_CLOSE':
      return new HoldfastError(
        'INVALID_REQUEST',
        'The connection ended before the body did; nothing of it was stored.',
        { cause: error },
      )
  }
  if (validation !== undefined || (statusCode !== undefined && statusCode >= 400 && statusCode < 500)) {
    return new HoldfastError('INVALID_REQUEST', `${message ?? 'The request is not as documented'}.`)
  }
  return new HoldfastError('INTERNAL', 'Something went wrong here; the log has the details.', {
    cause: error,
  })
}

/** A whole HTTP/1.1 response for a connection whose request could not be parsed. */
export function rawProblemResponse(parserCode: string | undefined): string {
  const [status, detail] = RAW_FAULTS[parserCode ?? ''] ?? [400, 'This is not an HTTP/1.1 request.']
  const code = 'INVALID_REQUEST' satisfies ErrorCode
  const problem: Problem = { type: typeOf(code), title: ERRORS[code].title, status, detail, code }
  const body = JSON.stringify(problem)
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'X-Content-Type-Options: nosniff',
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

/** By the code of Node's parser: the status and what to tell. */
const RAW_FAULTS: Record<string, [status: number, detail: string]> = {
  ERR_HTTP_REQUEST_TIMEOUT: [
    408,
    'The request did not arrive in time; nothing of it was stored unless NDJSON lines were.',
  ],
  HPE_HEADER_OVERFLOW: [431, 'The headers are too large.'],
}
