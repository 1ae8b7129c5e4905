/** Reads hashes from raw bytes, without making a string of them first. */

const QUOTE = 0x22

/** Value of each hex digit by its ASCII code; 255 for every other byte. */
const NIBBLE = new Uint8Array(256).fill(255)
for (let digit = 0; digit < 16; digit++) {
  NIBBLE[digit.toString(16).charCodeAt(0)] = digit
  NIBBLE[digit.toString(16).toUpperCase().charCodeAt(0)] = digit
}

/**
 * Reads `"…"`, a hash as a JSON string without escapes: 64 hex digits of any case, with or without `0x`.
 * @param at offset of the opening quote
 * @param into receives 32 bytes at `intoAt`; garbage when the answer is -1
 * @returns the offset after the closing quote, or -1 when that is not what stands there
 */
export function readQuotedHash(bytes: Uint8Array, at: number, into: Uint8Array, intoAt: number): number {
  if (bytes[at] !== QUOTE) return -1
  let from = at + 1
  if (bytes[from + 1] === 0x78 && bytes[from] === 0x30) from += 2
  if (from + 65 > bytes.length || bytes[from + 64] !== QUOTE) return -1
  let wrong = 0
  for (let i = 0; i < 32; i++) {
    const high = NIBBLE[bytes[from + 2 * i]!]!
    const low = NIBBLE[bytes[from + 2 * i + 1]!]!
    wrong |= high | low
    into[intoAt + i] = (high << 4) | low
  }
  return wrong > 15 ? -1 : from + 65
}

/** The offset of the first byte from `at` on that is not JSON whitespace. */
export function skipBlank(bytes: Uint8Array, at: number): number {
  let i = at
  while (bytes[i] === 0x20 || bytes[i] === 0x0a || bytes[i] === 0x0d || bytes[i] === 0x09) i++
  return i
}

const HASHES_KEY = Buffer.from('"hashes"')

/**
 * The fast way through `{"hashes": ["…", …]}`: n x 32 bytes in one new buffer.
 * @returns null when the text is anything else, valid or not, or holds more than `most` hashes
 */
export function readHashList(bytes: Buffer, most: number): Buffer | null {
  let at = expectByte(bytes, 0, 0x7b)
  if (at < 0 || bytes.compare(HASHES_KEY, 0, 8, at, Math.min(at + 8, bytes.length)) !== 0) return null
  at = expectByte(bytes, at + 8, 0x3a)
  if (at < 0) return null
  at = expectByte(bytes, at, 0x5b)
  if (at < 0) return null
  const hashes = Buffer.allocUnsafe(Math.min(most, Math.ceil(bytes.length / 66)) * 32)
  for (let length = 0; length < hashes.length; length += 32) {
    at = readQuotedHash(bytes, at, hashes, length)
    if (at < 0) return null
    at = skipBlank(bytes, at)
    if (bytes[at] === 0x5d) {
      at = expectByte(bytes, at + 1, 0x7d)
      return at === bytes.length ? hashes.subarray(0, length + 32) : null
    }
    if (bytes[at] !== 0x2c) return null
    at = skipBlank(bytes, at + 1)
  }
  return null
}

/** The offset after blanks, this byte and blanks again, or -1. */
function expectByte(bytes: Uint8Array, at: number, byte: number): number {
  const found = skipBlank(bytes, at)
  return bytes[found] === byte ? skipBlank(bytes, found + 1) : -1
}
