/**
 * The one table of errors. A code is stable and appears in problem documents, logs and metrics; its `kind` says
 * what a caller should do: `retry` the same thing later, `reject` it (the input is at fault), or `stop`
 * (a contradiction that needs a person).
 */
export const ERRORS = {
  INVALID_HASH: { status: 400, kind: 'reject', title: 'Not a 32-byte hash' },
  INVALID_JSON: { status: 400, kind: 'reject', title: 'Not valid JSON' },
  INVALID_ENCODING: { status: 400, kind: 'reject', title: 'Not valid UTF-8' },
  INVALID_RECORD: { status: 400, kind: 'reject', title: 'Record has no canonical form' },
  INVALID_REQUEST: { status: 400, kind: 'reject', title: 'Request is not as documented' },
  INVALID_RECEIPT: { status: 400, kind: 'reject', title: 'Not a holdfast-receipt/1 document' },
  EMPTY: { status: 400, kind: 'reject', title: 'Nothing to accept' },
  TOO_MANY_ITEMS: { status: 413, kind: 'reject', title: 'Too many items in one request' },
  UNAUTHORIZED: { status: 401, kind: 'reject', title: 'No valid API key' },
  FORBIDDEN: { status: 403, kind: 'reject', title: 'API key lacks the scope' },
  NOT_FOUND: { status: 404, kind: 'reject', title: 'No such resource' },
  METHOD_NOT_ALLOWED: { status: 405, kind: 'reject', title: 'Method not allowed' },
  UNKNOWN_RECORD: { status: 404, kind: 'reject', title: 'Record is unknown' },
  PAYLOAD_TOO_LARGE: { status: 413, kind: 'reject', title: 'Request body too large' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, kind: 'reject', title: 'Content type not supported' },
  TOO_SLOW: { status: 408, kind: 'retry', title: 'Request did not arrive in time' },
  EXPECTATION_FAILED: { status: 417, kind: 'reject', title: 'Expectation cannot be met' },
  HEADERS_TOO_LARGE: { status: 431, kind: 'reject', title: 'Request headers too large' },
  HTTP_VERSION_NOT_SUPPORTED: { status: 505, kind: 'reject', title: 'HTTP version not supported' },
  QUOTA_EXCEEDED: { status: 429, kind: 'retry', title: 'Quota exceeded' },
  INTERNAL: { status: 500, kind: 'stop', title: 'Internal error' },
  OVERLOADED: { status: 503, kind: 'retry', title: 'Too much is waiting to be stored' },
  DATABASE_UNAVAILABLE: { status: 503, kind: 'retry', title: 'Database unavailable' },
  SHUTTING_DOWN: { status: 503, kind: 'retry', title: 'Shutting down' },
  CHAIN_UNAVAILABLE: { status: 503, kind: 'retry', title: 'Chain unavailable' },
  /** Seen by clients only. */
  UNREACHABLE: { status: 503, kind: 'retry', title: 'Holdfast cannot be reached' },
  /** Seen by clients only. */
  TIMED_OUT: { status: 504, kind: 'retry', title: 'Not done within the time given' },
  LEASE_LOST: { status: 503, kind: 'retry', title: 'Another daemon holds the lease' },
  SIGNER_UNAVAILABLE: { status: 503, kind: 'retry', title: 'Signer does not sign' },
  /** What it signed is not what it was asked to sign; nothing of it is sent. */
  SIGNER_FAULT: { status: 500, kind: 'stop', title: 'Signer returned something else' },
  WRONG_CHAIN: { status: 500, kind: 'stop', title: 'RPC endpoint serves another chain' },
  INVALID_CONFIG: { status: 500, kind: 'stop', title: 'Configuration is not valid' },
} as const satisfies Record<string, { status: number; kind: 'retry' | 'reject' | 'stop'; title: string }>

export type ErrorCode = keyof typeof ERRORS

/** Where in the input the fault is, and when to come back. Every field given is part of the problem document. */
export type ErrorContext = {
  /** 0-based position in a JSON array. */
  index?: number
  /** 1-based line of an NDJSON body. */
  line?: number
  /** How many items of a stopped NDJSON stream are durably stored. */
  accepted?: number
  /** Seconds for the Retry-After header. */
  retryAfter?: number
  /** Methods for the Allow header, comma-separated. */
  allow?: string
  cause?: unknown
}

/** An error with a code from {@link ERRORS}. `message` is the problem's detail, safe to show to whoever caused it. */
export class HoldfastError extends Error {
  readonly code: ErrorCode
  readonly context: Omit<ErrorContext, 'cause'>

  constructor(code: ErrorCode, message: string, context: ErrorContext = {}) {
    const { cause, ...rest } = context
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'HoldfastError'
    this.code = code
    this.context = rest
  }

  get status(): number {
    return ERRORS[this.code].status
  }

  get kind(): 'retry' | 'reject' | 'stop' {
    return ERRORS[this.code].kind
  }
}
