import { STATUS_CODES } from 'node:http'
import { ERRORS, type ErrorCode, HoldfastError } from '../core/errors.ts'
import { asStoreError } from '../store/connection/failures.ts'

const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

/** An RFC 9457 document. The optional members are there when the error knows them. */
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
  allow?: string
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
    ...(error.context.allow !== undefined && { allow: error.context.allow }),
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
  const known = asStoreError(error)
  if (known instanceof HoldfastError) return known
  return new HoldfastError('INTERNAL', 'Something went wrong here; the log has the details.', {
    cause: error,
  })
}

/** A whole HTTP/1.1 response, for a connection that has no request to answer. It says that the connection closes. */
export function rawProblem(error: HoldfastError): string {
  const body = JSON.stringify(problemOf(error))
  const headers = { ...problemHeaders(error), 'content-length': Buffer.byteLength(body), connection: 'close' }
  return [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    '',
    body,
  ].join('\r\n')
}
