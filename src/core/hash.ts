import { counted } from './counted.ts'
import { HoldfastError } from './errors.ts'

/** Bytes in every hash, leaf, node and root. */
export const HASH_BYTES = 32

/** `0x` and lower-case hex digits. */
export type Hex = `0x${string}`

const HASH_TEXT = /^(?:0x)?([0-9a-fA-F]{64})$/

/** Lower-case `0x` hex of the bytes. */
export function toHex(bytes: Uint8Array): Hex {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return `0x${buffer.toString('hex')}`
}

/**
 * Reads a record hash as producers write it: 64 hex digits of any case, with or without `0x`.
 * @throws HoldfastError INVALID_HASH saying what is wrong and what would be right
 */
export function parseHash(text: unknown, where: { index?: number; line?: number } = {}): Buffer {
  const digits = typeof text === 'string' ? HASH_TEXT.exec(text)?.[1] : undefined
  if (digits === undefined) throw new HoldfastError('INVALID_HASH', faultOf(text), where)
  return Buffer.from(digits, 'hex')
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
  return `A hash is 32 bytes (64 hex digits), got ${counted(digits.length, 'digit')}. Hash the content with SHA-256 first.`
}
