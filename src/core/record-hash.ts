import { createHash } from 'node:crypto'
import { canonicalJson } from './canonical.ts'

/**
 * SHA-256 (32 bytes) of the record's RFC 8785 canonical form in UTF-8: what Holdfast anchors for a JSON record.
 * @param record a JSON value, as from `parseStrictJson`
 * @throws HoldfastError INVALID_RECORD when the value has no canonical form
 */
export function recordHash(record: unknown): Buffer {
  return canonicalHash(canonicalJson(record))
}

/** The same for a record whose canonical text is known. */
export function canonicalHash(canonical: string): Buffer {
  return createHash('sha256').update(canonical, 'utf8').digest()
}
