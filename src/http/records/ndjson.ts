/** In: the bytes of an NDJSON body, in whatever pieces they come. Out: hashes, in slices of n x 32 bytes. */
import { HoldfastError } from '../../core/errors.ts'
import { growingBuffer } from './growing-buffer.ts'
import { readQuotedHash, skipBlank } from './hash-bytes.ts'
import { parseLine } from './parse-items.ts'

/** Hashes of consecutive lines; `firstLine` (1-based) is where the first of them stands. */
export type Slice = { hashes: Uint8Array; firstLine: number }

export type NdjsonDecoder = {
  /**
   * Takes the next bytes and keeps none of the buffer; full slices go to `onSlice`.
   * @throws HoldfastError with `line`, at the first line that is not a hash or a record; lines before it stay readable
   *   through {@link NdjsonDecoder.rest}
   */
  push(bytes: Buffer): void
  /** Takes a last line without line break. */
  end(): void
  /** The hashes since the last full slice, or null. For the end, or after a bad line: nothing may be pushed after it. */
  rest(): Slice | null
  /** Bytes that the decoder holds: the slice and the line that it has begun. */
  held(): number
  /** Lines read so far. */
  line(): number
}

/** Of a line beside its record: `{"record":}` and blanks. */
const ENVELOPE_BYTES = 64
const FIRST_SLICE_BYTES = 4096

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const QUOTE = 0x22
const BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const NOTHING = Buffer.alloc(0)
const HASH_PREFIX = Buffer.from('{"hash":"')

/**
 * A decoder of lines `"hex"`, `{"hash": "hex"}` and `{"record": …}`. Blank lines are counted but otherwise ignored,
 * lines may end in CR LF. The two hash forms written without blanks are read straight from the bytes.
 */
export function createNdjsonDecoder(options: {
  hashesPerSlice: number
  recordLimitBytes: number
  onSlice(slice: Slice): void
}): NdjsonDecoder {
  const sliceBytes = options.hashesPerSlice * 32
  const mostLineBytes = options.recordLimitBytes + ENVELOPE_BYTES
  const tail = growingBuffer(mostLineBytes + 2)
  let line = 0
  let slice = NOTHING
  let used = 0
  let filled = false
  let firstLine = 1

  /** Makes room for one more hash. A stream that has filled a slice gets the next one whole. */
  function grow(): void {
    const size = filled ? sliceBytes : Math.max(FIRST_SLICE_BYTES, slice.length * 4)
    const grown = Buffer.allocUnsafeSlow(Math.min(sliceBytes, size))
    slice.copy(grown)
    slice = grown
  }

  function taken(): void {
    if (used === 0) firstLine = line
    used += 32
    if (used < sliceBytes) return
    options.onSlice({ hashes: slice, firstLine })
    slice = NOTHING
    used = 0
    filled = true
  }

  /** Takes a line that is plainly a hash, with its line break; returns where the next line starts, or -1. */
  function takePlain(bytes: Buffer, start: number): number {
    const object = bytes[start] === BRACE
    if (object ? !startsWithHash(bytes, start) : bytes[start] !== QUOTE) return -1
    if (used === slice.length) grow()
    let end = readQuotedHash(bytes, object ? start + HASH_PREFIX.length - 1 : start, slice, used)
    if (end < 0 || (object && bytes[end++] !== CLOSE_BRACE)) return -1
    if (bytes[end] === CARRIAGE_RETURN) end++
    if (bytes[end] !== LINE_FEED) return -1
    line++
    taken()
    return end + 1
  }

  /** Takes any other line, given without its line feed. */
  function takeAny(bytes: Buffer): void {
    line++
    if (skipBlank(bytes, 0) >= bytes.length) return
    if (bytes.length > mostLineBytes) throw tooLong()
    if (used === slice.length) grow()
    slice.set(parseLine(bytes, line, options.recordLimitBytes), used)
    taken()
  }

  function tooLong(): HoldfastError {
    return new HoldfastError(
      'PAYLOAD_TOO_LARGE',
      `Line ${line} is longer than ${mostLineBytes} bytes; hash the record with SHA-256 and send the hash.`,
      { line },
    )
  }

  /** Ends the line that an earlier push began. @returns where the next line starts */
  function finishTail(bytes: Buffer): number {
    const feed = bytes.indexOf(LINE_FEED)
    const end = feed < 0 ? bytes.length : feed + 1
    if (!tail.append(bytes.subarray(0, end))) {
      line++
      throw tooLong()
    }
    if (feed < 0) return end
    const whole = tail.bytes()
    if (takePlain(whole, 0) < 0) takeAny(whole.subarray(0, -1))
    tail.clear()
    return end
  }

  return {
    push(bytes) {
      let start = tail.length() > 0 ? finishTail(bytes) : 0
      while (start < bytes.length) {
        const next = takePlain(bytes, start)
        if (next >= 0) {
          start = next
          continue
        }
        const feed = bytes.indexOf(LINE_FEED, start)
        if (feed < 0) {
          start += finishTail(bytes.subarray(start))
          continue
        }
        takeAny(bytes.subarray(start, feed))
        start = feed + 1
      }
    },
    end() {
      if (tail.length() > 0) takeAny(tail.bytes())
      tail.clear()
    },
    rest() {
      return used === 0 ? null : { hashes: slice.subarray(0, used), firstLine }
    },
    held: () => slice.length + tail.capacity(),
    line: () => line,
  }
}

function startsWithHash(bytes: Buffer, start: number): boolean {
  for (let i = 0; i < HASH_PREFIX.length; i++) if (bytes[start + i] !== HASH_PREFIX[i]) return false
  return true
}
