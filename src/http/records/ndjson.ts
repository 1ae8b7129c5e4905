/** In: the bytes of an NDJSON body, in whatever pieces they come. Out: hashes, in slices of n x 32 bytes. */
import { parseStrictJson } from '../../core/canonical.ts'
import { HoldfastError } from '../../core/errors.ts'
import { parseHash } from '../../core/hash.ts'
import { recordHash } from '../../core/record-hash.ts'
import { decodeUtf8 } from './body.ts'
import { readQuotedHash, skipBlank } from './hash-bytes.ts'
import { onlyKey } from './parse-items.ts'

/** Hashes of consecutive lines; `firstLine` (1-based) is where the first of them stands. */
export type Slice = { hashes: Uint8Array; firstLine: number }

export type NdjsonDecoder = {
  /**
   * Takes the next bytes; full slices go to `onSlice`.
   * @throws HoldfastError with `line`, at the first line that is not a hash or a record; lines before it stay readable
   *   through {@link NdjsonDecoder.rest}
   */
  push(bytes: Buffer): void
  /** Takes a last line without line break. */
  end(): void
  /** The hashes since the last full slice, or null. For the end, or after a bad line: nothing may be pushed after it. */
  rest(): Slice | null
}

/** Longest line in bytes; a larger record goes in a JSON body of its own, or as a hash. */
export const MAX_LINE_BYTES = 1024 * 1024

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const QUOTE = 0x22
const BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const HASH_PREFIX = Buffer.from('{"hash":"')
const NOTHING = Buffer.alloc(0)

/**
 * A decoder of lines `"hex"`, `{"hash": "hex"}` and `{"record": …}`. Blank lines are counted but otherwise ignored,
 * lines may end in CR LF. The two hash forms written without blanks are read straight from the bytes.
 */
export function createNdjsonDecoder(options: {
  hashesPerSlice: number
  onSlice(slice: Slice): void
}): NdjsonDecoder {
  const sliceBytes = options.hashesPerSlice * 32
  let tail: Buffer = NOTHING
  let line = 0
  let slice = Buffer.allocUnsafeSlow(sliceBytes)
  let used = 0
  let firstLine = 1

  function taken(): void {
    used += 32
    if (used === sliceBytes) {
      options.onSlice({ hashes: slice, firstLine })
      slice = Buffer.allocUnsafeSlow(sliceBytes)
      used = 0
    }
  }

  /** Takes a line that is plainly a hash, with its line break; returns where the next line starts, or -1. */
  function takePlain(bytes: Buffer, start: number): number {
    const object = bytes[start] === BRACE
    if (object ? !startsWithHash(bytes, start) : bytes[start] !== QUOTE) return -1
    let end = readQuotedHash(bytes, object ? start + HASH_PREFIX.length - 1 : start, slice, used)
    if (end < 0 || (object && bytes[end++] !== CLOSE_BRACE)) return -1
    if (bytes[end] === CARRIAGE_RETURN) end++
    if (bytes[end] !== LINE_FEED) return -1
    line++
    if (used === 0) firstLine = line
    taken()
    return end + 1
  }

  /** Takes any other line, given without its line feed. */
  function takeAny(bytes: Buffer): void {
    line++
    if (skipBlank(bytes, 0) >= bytes.length) return
    if (bytes.length > MAX_LINE_BYTES) throw tooLong(line)
    if (used === 0) firstLine = line
    slice.set(hashOfLine(bytes, line), used)
    taken()
  }

  return {
    push(chunk) {
      const bytes = tail.length === 0 ? chunk : Buffer.concat([tail, chunk])
      let start = 0
      while (start < bytes.length) {
        const next = takePlain(bytes, start)
        if (next >= 0) {
          start = next
          continue
        }
        const feed = bytes.indexOf(LINE_FEED, start)
        if (feed < 0) break
        takeAny(bytes.subarray(start, feed))
        start = feed + 1
      }
      tail = start === bytes.length ? NOTHING : bytes.subarray(start)
      if (tail.length > MAX_LINE_BYTES + 1) {
        line++
        tail = NOTHING
        throw tooLong(line)
      }
    },
    end() {
      if (tail.length > 0) takeAny(tail)
      tail = NOTHING
    },
    rest() {
      return used === 0 ? null : { hashes: slice.subarray(0, used), firstLine }
    },
  }
}

function startsWithHash(bytes: Buffer, start: number): boolean {
  for (let i = 0; i < HASH_PREFIX.length; i++) if (bytes[start + i] !== HASH_PREFIX[i]) return false
  return true
}

/** Any line that is not in one of the two plain forms: strictly, and with every fault told. */
function hashOfLine(bytes: Buffer, line: number): Buffer {
  const where = { line }
  const text = decodeUtf8(bytes, where)
  let value: unknown
  try {
    value = parseStrictJson(text)
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    const message = error.message.replace(/^Line 1, column/, `Line ${line}, column`)
    throw new HoldfastError(error.code, message, { ...where, cause: error })
  }
  if (typeof value === 'string') return parseHash(value, where)
  const [key, item] = onlyKey(value, ['hash', 'record'], where)
  if (key === 'hash') return parseHash(item, where)
  return recordHash(item)
}

function tooLong(line: number): HoldfastError {
  return new HoldfastError(
    'PAYLOAD_TOO_LARGE',
    `Line ${line} is longer than ${MAX_LINE_BYTES} bytes; hash the record with SHA-256 and send the hash.`,
    { line },
  )
}
