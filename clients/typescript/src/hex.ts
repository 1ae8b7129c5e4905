import { HoldfastError } from './errors.ts'
import type { Hex } from './format.ts'

/** Bytes in every hash, leaf, node and root. */
export const HASH_BYTES = 32

/** A hash as 32 bytes, or as 64 hex digits of any case with or without 0x. */
export type HashInput = Uint8Array | string

const HASH_TEXT = /^(?:0x)?([0-9a-fA-F]{64})$/
const OCTETS = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'))

/** Lower-case `0x` hex of the bytes. */
export function toHex(bytes: Uint8Array): Hex {
  let hex = '0x'
  for (const octet of bytes) hex += OCTETS[octet]
  return hex as Hex
}

/**
 * The hash as lower-case `0x` hex.
 * @throws HoldfastError INVALID_HASH saying what is wrong and what would be right
 */
export function hashOf(input: HashInput, where: { index?: number; line?: number } = {}): Hex {
  if (input instanceof Uint8Array) {
    if (input.length === HASH_BYTES) return toHex(input)
    const detail = `A hash is ${HASH_BYTES} bytes, got ${input.length}. Hash the content with SHA-256 first.`
    throw new HoldfastError('INVALID_HASH', detail, where)
  }
  const digits = typeof input === 'string' ? HASH_TEXT.exec(input)?.[1] : undefined
  if (digits === undefined) throw new HoldfastError('INVALID_HASH', faultOf(input), where)
  return `0x${digits.toLowerCase()}`
}

/** As {@link hashOf}, as 32 bytes. */
export function hashBytesOf(input: HashInput, where: { index?: number; line?: number } = {}): Uint8Array {
  if (input instanceof Uint8Array && input.length === HASH_BYTES) return input
  const hex = hashOf(input, where)
  const bytes = new Uint8Array(HASH_BYTES)
  for (let i = 0; i < HASH_BYTES; i++) bytes[i] = Number.parseInt(hex.slice(2 + 2 * i, 4 + 2 * i), 16)
  return bytes
}

function faultOf(text: unknown): string {
  if (typeof text !== 'string') {
    return `Expected a hash as a string of 64 hex digits, got ${text === null ? 'null' : typeof text}.`
  }
  const digits = text.replace(/^0x/, '')
  if (/^[0-9a-fA-F]{64} [ *]/.test(digits)) {
    return 'A hash is 64 hex digits and nothing else; this is a line of sha256sum, whose first column is the hash.'
  }
  const bad = digits.search(/[^0-9a-fA-F]/)
  if (bad >= 0) {
    return `Character ${JSON.stringify(digits[bad])} at position ${text.length - digits.length + bad} is not a hex digit; a hash is 64 hex digits, with or without 0x.`
  }
  return `A hash is 32 bytes (64 hex digits), got ${digits.length} digit${digits.length === 1 ? '' : 's'}. Hash the content with SHA-256 first.`
}
