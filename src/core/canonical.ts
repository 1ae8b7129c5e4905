/** The client package's strict JSON and canonical text, with the daemon's errors. */
import * as strict from 'holdfast-client/canonical'
import { type ErrorCode, type ErrorContext, HoldfastError } from './errors.ts'

export { MAX_JSON_DEPTH } from 'holdfast-client/canonical'

/** What an error says of a fault at this path of keys and indexes. */
export type ContextAt = (path: readonly (string | number)[]) => ErrorContext

const CODES: Record<strict.JsonFault, ErrorCode> = {
  syntax: 'INVALID_JSON',
  content: 'INVALID_RECORD',
  size: 'PAYLOAD_TOO_LARGE',
}

/**
 * Parses JSON that means the same everywhere; see `parseStrictJson` of holdfast-client/canonical.
 * @throws HoldfastError INVALID_JSON or INVALID_RECORD; the message gives line, column and JSON path
 */
export function parseStrictJson(text: string, contextAt?: ContextAt): unknown {
  try {
    return strict.parseStrictJson(text)
  } catch (error) {
    throw asHoldfastJsonError(error, contextAt)
  }
}

/**
 * The RFC 8785 canonical text of a JSON value.
 * @throws HoldfastError INVALID_RECORD for anything else, with the JSON path
 */
export function canonicalJson(value: unknown): string {
  try {
    return strict.canonicalJson(value)
  } catch (error) {
    throw asHoldfastJsonError(error)
  }
}

/** A JsonError as HoldfastError; every other error as it is. */
export function asHoldfastJsonError(error: unknown, contextAt?: ContextAt): unknown {
  if (!(error instanceof strict.JsonError)) return error
  return new HoldfastError(CODES[error.fault], error.message, contextAt?.(error.path))
}
