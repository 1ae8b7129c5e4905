import { HoldfastError } from '../../core/errors.ts'

/** SQLSTATEs that say the server cannot serve now: connection faults, shutdown, out of resources, out of time. */
const TRANSIENT_SQLSTATE = /^(08|57P|57014|53|25006|40001|40P01)/
const TRANSIENT_ERRNO = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
])
const TRANSIENT_MESSAGE =
  /Connection terminated|timeout exceeded when trying to connect|timeout expired|connection error|Client has encountered|server closed|Cannot use a pool after calling end|driver has already been destroyed/i

/** Whether the statement failed because the database was away, so that the same statement may succeed later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = (error as { code?: unknown }).code
  if (typeof code === 'string' && (TRANSIENT_ERRNO.has(code) || TRANSIENT_SQLSTATE.test(code))) return true
  if (error instanceof AggregateError && error.errors.some(isDatabaseUnavailable)) return true
  return TRANSIENT_MESSAGE.test(error.message)
}

/** The error as callers should see it: DATABASE_UNAVAILABLE (retry) when the database was away, else unchanged. */
export function asStoreError(error: unknown): unknown {
  if (!isDatabaseUnavailable(error)) return error
  return new HoldfastError(
    'DATABASE_UNAVAILABLE',
    'The database cannot be reached or does not answer; nothing was acknowledged.',
    {
      retryAfter: 2,
      cause: error,
    },
  )
}
