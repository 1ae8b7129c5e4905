/**
 * What a caller does with an error: `retry` the same later, `reject` (the input is at fault), or `stop`
 * (a contradiction that needs a person).
 */
export type ErrorKind = 'retry' | 'reject' | 'stop'

/** Errors made by this package. The daemon's problem documents bring codes of their own. */
const CLIENT_ERRORS = {
  INVALID_HASH: 'reject',
  INVALID_JSON: 'reject',
  INVALID_ENCODING: 'reject',
  INVALID_RECORD: 'reject',
  INVALID_RECEIPT: 'reject',
  INVALID_REQUEST: 'reject',
  INVALID_CONFIG: 'reject',
  PAYLOAD_TOO_LARGE: 'reject',
  UNKNOWN_RECORD: 'reject',
  /** No daemon answered. */
  UNREACHABLE: 'retry',
  /** Not done within the time that the caller gave. */
  TIMED_OUT: 'retry',
  /** The answer is not for the question: another hash, another count. */
  WRONG_ANSWER: 'stop',
} as const satisfies Record<string, ErrorKind>

export type ClientErrorCode = keyof typeof CLIENT_ERRORS

/** Where in the input the fault is, and when to come back. */
export type ErrorContext = {
  /** 0-based position in an array. */
  index?: number
  /** 1-based line. */
  line?: number
  /** Hashes stored for certain. */
  accepted?: number
  /** Seconds to wait. */
  retryAfter?: number
}

type Details = ErrorContext & { cause?: unknown; kind?: ErrorKind; status?: number | undefined }

/** The one error that this package throws for faults of input, network and daemon. `message` is safe to show. */
export class HoldfastError extends Error {
  /** A {@link ClientErrorCode}, or the `code` of the daemon's problem document. */
  readonly code: ClientErrorCode | (string & {})
  readonly kind: ErrorKind
  /** HTTP status of the answer that brought it. */
  readonly status: number | undefined
  readonly context: ErrorContext

  constructor(code: ClientErrorCode | (string & {}), message: string, details: Details = {}) {
    const { cause, kind, status, ...context } = details
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'HoldfastError'
    this.code = code
    this.kind = kind ?? CLIENT_ERRORS[code as ClientErrorCode] ?? 'stop'
    this.status = status
    this.context = context
  }
}
