/** Lines of a producer in, record hashes out, decoded on the producer's side: a record's content never leaves it. */
import { JsonError, parseStrictJson } from '../canonical.ts'
import { HoldfastError } from '../errors.ts'
import { HASH_BYTES, hashBytesOf } from '../hex.ts'
import { recordHashBytes } from '../record-hash.ts'

/** Octets or text in pieces of any size, as Node's and the web's streams give them. */
export type TextSource = AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>

/** `items`: a line is `"hex"`, bare hex, `{"hash": …}` or `{"record": …}`; `records`: a line is a record itself. */
export type LineKind = 'items' | 'records'

/** Called with each line's hash (32 bytes) before it is pushed. */
export type OnHash = (hash: Uint8Array, line: number) => void

/** A longer line is refused: a file without line ends must not fill the memory. */
const MAX_LINE_LENGTH = 16 * 1024 * 1024

const HASH_LINE =
  /^\s*(?:"(?:0x)?([0-9a-fA-F]{64})"|(?:0x)?([0-9a-fA-F]{64})|\{\s*"hash"\s*:\s*"(?:0x)?([0-9a-fA-F]{64})"\s*\})\s*$/

/**
 * The source's lines without their ends, all that each piece completes, numbered from 1.
 * @throws HoldfastError INVALID_ENCODING (not UTF-8) or PAYLOAD_TOO_LARGE, with `line`
 */
async function* linesOf(
  source: TextSource,
): AsyncGenerator<{ firstLine: number; lines: string[] }, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let rest = ''
  let line = 1
  for await (const piece of source) {
    const text = typeof piece === 'string' ? piece : decode(decoder, piece, line)
    const lines = text.split('\n')
    lines[0] = rest + lines[0]
    rest = lines.pop() as string
    if (rest.length > MAX_LINE_LENGTH) throw tooLong(line + lines.length)
    if (lines.length > 0) yield { firstLine: line, lines }
    line += lines.length
  }
  rest += decode(decoder, undefined, line)
  if (rest !== '') yield { firstLine: line, lines: [rest] }
}

/**
 * The hashes that the lines stand for, as blocks of N x 32 bytes; blank lines are left out. What came before a bad line
 * is a block of its own first.
 * @throws HoldfastError INVALID_HASH, INVALID_JSON, INVALID_RECORD, INVALID_REQUEST or what {@link linesOf} throws, with
 * `line`
 */
export async function* hashesOfLines(
  source: TextSource,
  kind: LineKind,
  onHash?: OnHash,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { firstLine, lines } of linesOf(source)) {
    const block = new Uint8Array(lines.length * HASH_BYTES)
    let length = 0
    try {
      for (const [i, text] of lines.entries()) {
        if (text.trim() === '') continue
        const hash = hashOfLine(text, firstLine + i, kind)
        onHash?.(hash, firstLine + i)
        block.set(hash, length)
        length += HASH_BYTES
      }
    } catch (error) {
      yield block.subarray(0, length)
      throw error
    }
    yield block.subarray(0, length)
  }
}

function hashOfLine(text: string, line: number, kind: LineKind): Uint8Array {
  if (kind === 'items') {
    const match = HASH_LINE.exec(text)
    const digits = match?.[1] ?? match?.[2] ?? match?.[3]
    if (digits !== undefined) return hashBytesOf(digits)
  }
  try {
    const value = kind === 'items' ? parseItem(text) : parseStrictJson(text)
    return kind === 'records' ? recordHashBytes(value) : hashOfItem(value)
  } catch (cause) {
    if (cause instanceof JsonError) {
      const code = cause.fault === 'syntax' ? 'INVALID_JSON' : 'INVALID_RECORD'
      throw new HoldfastError(code, cause.message, { line, cause })
    }
    if (!(cause instanceof HoldfastError)) throw cause
    throw new HoldfastError(cause.code, cause.message, { line, cause })
  }
}

/** Bare text is a hash or nothing: why it is no hash says more than why it is no JSON. */
function parseItem(text: string): unknown {
  try {
    return parseStrictJson(text)
  } catch (error) {
    if (/^\s*["{[]/.test(text)) throw error
    return text.trim()
  }
}

function hashOfItem(item: unknown): Uint8Array {
  if (typeof item === 'string') return hashBytesOf(item)
  if (typeof item === 'object' && item !== null && Object.keys(item).length === 1) {
    if (Object.hasOwn(item, 'hash')) return hashBytesOf((item as { hash: string }).hash)
    if (Object.hasOwn(item, 'record')) return recordHashBytes((item as { record: unknown }).record)
  }
  throw new HoldfastError('INVALID_REQUEST', 'A line must be "hex", {"hash": "hex"} or {"record": any JSON}.')
}

function decode(
  decoder: InstanceType<typeof TextDecoder>,
  piece: Uint8Array | undefined,
  line: number,
): string {
  try {
    return piece === undefined ? decoder.decode() : decoder.decode(piece, { stream: true })
  } catch (cause) {
    throw new HoldfastError('INVALID_ENCODING', `Not UTF-8 in or after line ${line}.`, { line, cause })
  }
}

function tooLong(line: number): HoldfastError {
  const detail = `Line ${line} is longer than ${MAX_LINE_LENGTH} characters.`
  return new HoldfastError('PAYLOAD_TOO_LARGE', detail, { line })
}
