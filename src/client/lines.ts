/**
 * NDJSON of a producer in, record hashes out, decoded on the producer's side so that a record's content never leaves it.
 */
import { parseStrictJson } from '../core/canonical.ts'
import { HoldfastError } from '../core/errors.ts'
import { parseHash } from '../core/hash.ts'
import { recordHash } from '../core/record-hash.ts'

/** Octets or text in pieces of any size, as Node's and the web's streams give them. */
export type TextSource = AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>

/** `items`: a line is `"hex"`, bare hex, `{"hash": …}` or `{"record": …}`; `records`: a line is a record itself. */
export type LineKind = 'items' | 'records'

/** A longer line is refused: no producer's row is that long, and a file without line ends must not fill the memory. */
const MAX_LINE_LENGTH = 16 * 1024 * 1024

const HASH_LINE =
  /^\s*(?:"(?:0x)?([0-9a-fA-F]{64})"|(?:0x)?([0-9a-fA-F]{64})|\{\s*"hash"\s*:\s*"(?:0x)?([0-9a-fA-F]{64})"\s*\})\s*$/

/**
 * The source's lines without their ends, numbered from 1, blank ones left out.
 * @throws HoldfastError INVALID_ENCODING (not UTF-8) or PAYLOAD_TOO_LARGE, with `line`
 */
export async function* linesOf(source: TextSource): AsyncGenerator<{ line: number; text: string }> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let rest = ''
  let line = 0
  for await (const piece of source) {
    const text = typeof piece === 'string' ? piece : decode(decoder, piece, line + 1)
    const parts = text.split('\n')
    parts[0] = rest + parts[0]
    rest = parts.pop() as string
    if (rest.length > MAX_LINE_LENGTH) throw tooLong(line + parts.length + 1)
    for (const part of parts) {
      line++
      if (part.trim() !== '') yield { line, text: part }
    }
  }
  rest += decode(decoder, undefined, line + 1)
  if (rest.trim() !== '') yield { line: line + 1, text: rest }
}

/**
 * The 32-byte hash that one line stands for.
 * @throws HoldfastError INVALID_HASH, INVALID_JSON, INVALID_RECORD or INVALID_REQUEST, with `line`
 */
export function hashOfLine(text: string, line: number, kind: LineKind): Buffer {
  if (kind === 'items') {
    const match = HASH_LINE.exec(text)
    const digits = match?.[1] ?? match?.[2] ?? match?.[3]
    if (digits !== undefined) return Buffer.from(digits, 'hex')
  }
  try {
    const value = kind === 'items' ? parseItem(text) : parseStrictJson(text)
    return kind === 'records' ? recordHash(value) : hashOfItem(value)
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    throw new HoldfastError(error.code, error.message, { ...error.context, line, cause: error })
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

function hashOfItem(item: unknown): Buffer {
  if (typeof item === 'string') return parseHash(item)
  if (typeof item === 'object' && item !== null && Object.keys(item).length === 1) {
    if (Object.hasOwn(item, 'hash')) return parseHash((item as { hash: unknown }).hash)
    if (Object.hasOwn(item, 'record')) return recordHash((item as { record: unknown }).record)
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
  return new HoldfastError(
    'PAYLOAD_TOO_LARGE',
    `Line ${line} is longer than ${MAX_LINE_LENGTH} characters.`,
    { line },
  )
}
