import {
  endJson,
  itemsOf,
  type JsonCursor,
  membersOf,
  nextCode,
  openJson,
  readCanonical,
  readValue,
} from 'holdfast-client/json-reader'
import { asHoldfastJsonError, type ContextAt } from '../../core/canonical.ts'
import { HoldfastError } from '../../core/errors.ts'
import { parseHash } from '../../core/hash.ts'
import { canonicalHash } from '../../core/record-hash.ts'
import type { Turns } from '../turns.ts'
import { decodeUtf8 } from './body.ts'
import { readHashList } from './hash-bytes.ts'

/** What a JSON body of `POST /v1/records` asks to store. `hashes` is n x 32 bytes, in the order of the items. */
export type Items = { kind: 'hash' | 'hashes' | 'record' | 'records'; hashes: Buffer }

export const MAX_HASHES = 10_000
export const MAX_RECORDS = 1_000

const KINDS = ['hash', 'hashes', 'record', 'records'] as const
const QUOTE = 0x22
const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b
const SINGLE_HASH =
  /^[ \t\r\n]*\{[ \t\r\n]*"hash"[ \t\r\n]*:[ \t\r\n]*"(?:0x)?([0-9a-fA-F]{64})"[ \t\r\n]*\}[ \t\r\n]*$/
/** Of the longest body that is looked at for {@link singleHashDigits}. */
export const SINGLE_HASH_BYTES = 256

type Where = { index?: number; line?: number }

/**
 * The 64 digits of a body that is nothing but `{"hash": "…"}`, or undefined: the way that nearly every single push
 * takes. What it does not take is read, or refused, by {@link parseItems}.
 */
export function singleHashDigits(body: Buffer): string | undefined {
  if (body.length > SINGLE_HASH_BYTES) return undefined
  return SINGLE_HASH.exec(body.toString('latin1'))?.[1]
}

/**
 * Reads a JSON body of `POST /v1/records`; records become their hashes here and go no further. Yields to the event loop
 * between records.
 * @throws HoldfastError saying what is wrong and, for an item of a list, at which `index`
 */
export async function parseItems(
  body: Buffer,
  limits: { recordLimitBytes: number; turns: Turns },
): Promise<Items> {
  const fast = readHashList(body, MAX_HASHES)
  if (fast !== null) return { kind: 'hashes', hashes: fast }
  await limits.turns.take()
  const cursor = openBody(body)
  try {
    const { key: kind, close } = openOnlyMember(cursor, KINDS)
    let hashes: Buffer
    if (kind === 'hash') hashes = readHash(cursor)
    else if (kind === 'record') hashes = readRecord(cursor, limits.recordLimitBytes)
    else if (kind === 'hashes') {
      hashes = Buffer.concat(readHashes(cursor, MAX_HASHES))
    } else {
      const each: Buffer[] = []
      for (const index of listItems(cursor, kind, MAX_RECORDS)) {
        await limits.turns.take()
        each.push(readRecord(cursor, limits.recordLimitBytes, { index }))
      }
      hashes = Buffer.concat(each)
    }
    close()
    return { kind, hashes }
  } catch (error) {
    throw asHoldfastJsonError(error, itemContext)
  }
}

/**
 * The hashes of a `{"hashes": […]}` body, 32 bytes each.
 * @throws HoldfastError as {@link parseItems}
 */
export function parseHashList(body: Buffer, most: number): Buffer[] {
  const cursor = openBody(body)
  try {
    const { close } = openOnlyMember(cursor, ['hashes'])
    const hashes = readHashes(cursor, most)
    close()
    return hashes
  } catch (error) {
    throw asHoldfastJsonError(error, itemContext)
  }
}

/**
 * What `POST /v1/verify` is asked about: a receipt as its value, or the hash of a record.
 * @throws HoldfastError as {@link parseItems}
 */
export function parseQuestion(
  body: Buffer,
  recordLimitBytes: number,
): { receipt: unknown } | { hash: Buffer } {
  const cursor = openBody(body)
  try {
    const { key: kind, close } = openOnlyMember(cursor, ['receipt', 'hash', 'record'])
    const question =
      kind === 'receipt'
        ? { receipt: readValue(cursor) }
        : { hash: kind === 'hash' ? readHash(cursor) : readRecord(cursor, recordLimitBytes) }
    close()
    return question
  } catch (error) {
    throw asHoldfastJsonError(error)
  }
}

/**
 * The hash that one line of NDJSON stands for: `"hex"`, `{"hash": "hex"}` or `{"record": …}`.
 * @throws HoldfastError with `line`
 */
export function parseLine(bytes: Buffer, line: number, recordLimitBytes: number): Buffer {
  const where = { line }
  const cursor = openJson(decodeUtf8(bytes, where))
  try {
    if (nextCode(cursor) === QUOTE) {
      const value = readValue(cursor)
      endJson(cursor)
      return parseHash(value, where)
    }
    const { key, close } = openOnlyMember(cursor, ['hash', 'record'], where)
    const hash = key === 'hash' ? readHash(cursor, where) : readRecord(cursor, recordLimitBytes, where)
    close()
    return hash
  } catch (error) {
    const known = asHoldfastJsonError(error, () => where)
    if (known === error || !(known instanceof HoldfastError)) throw error
    const message = known.message.replace(/^Line 1, column/, `Line ${line}, column`)
    throw new HoldfastError(known.code, message, { ...where, cause: error })
  }
}

/** A fault inside an item of "hashes" or "records" has its `index`. */
const itemContext: ContextAt = ([key, item]) =>
  (key === 'hashes' || key === 'records') && typeof item === 'number' ? { index: item } : {}

function openBody(body: Buffer): JsonCursor {
  if (body.length === 0) throw new HoldfastError('EMPTY', 'The body is empty; JSON was expected.')
  return openJson(decodeUtf8(body))
}

/**
 * Steps to the value of the one member of an object that may have exactly one of some keys.
 * @returns its key, and `close` for when its value was read: it throws unless the object and the text end there
 */
function openOnlyMember<K extends string>(
  cursor: JsonCursor,
  allowed: readonly K[],
  where: Where = {},
): { key: K; close(): void } {
  const choice = allowed.map((key) => JSON.stringify(key)).join(', ')
  const expected = allowed.length === 1 ? `the key ${choice}` : `one of the keys ${choice}`
  const refuse = (what: string): never => {
    throw new HoldfastError('INVALID_REQUEST', what, where)
  }
  const assertAllowed = (key: string) => {
    if (allowed.includes(key as K)) return
    const shown = JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key)
    refuse(`Unknown key ${shown}; expected ${expected}.`)
  }
  const code = nextCode(cursor)
  if (code !== OPEN_BRACE) {
    if (code !== OPEN_BRACKET) {
      readValue(cursor)
      endJson(cursor)
    }
    refuse(`Expected a JSON object with ${expected}.`)
  }
  let key: string | undefined
  const members = membersOf(cursor, (known) => known === key)
  const first = members.next()
  if (first.done) {
    endJson(cursor)
    return refuse(`Expected exactly ${expected}; got none.`)
  }
  key = first.value
  assertAllowed(key)
  return {
    key: key as K,
    close() {
      const second = members.next()
      if (second.done) return endJson(cursor)
      assertAllowed(second.value)
      refuse(`Expected exactly ${expected}; got ${JSON.stringify(key)} and ${JSON.stringify(second.value)}.`)
    },
  }
}

function readHashes(cursor: JsonCursor, most: number): Buffer[] {
  const hashes: Buffer[] = []
  for (const index of listItems(cursor, 'hashes', most)) hashes.push(readHash(cursor, { index }))
  return hashes
}

function* listItems(cursor: JsonCursor, key: string, most: number): Generator<number> {
  if (nextCode(cursor) !== OPEN_BRACKET) {
    if (nextCode(cursor) !== OPEN_BRACE) readValue(cursor)
    throw new HoldfastError('INVALID_REQUEST', `"${key}" must be an array.`)
  }
  let count = 0
  for (const index of itemsOf(cursor)) {
    if (index === most) {
      throw new HoldfastError(
        'TOO_MANY_ITEMS',
        `"${key}" holds more than ${most} items, the most in one request. Send several, or NDJSON or octets.`,
        { index },
      )
    }
    count++
    yield index
  }
  if (count === 0) throw new HoldfastError('EMPTY', `"${key}" is empty; there is nothing to do.`)
}

function readHash(cursor: JsonCursor, where: Where = {}): Buffer {
  const code = nextCode(cursor)
  // Neither is a hash, and neither is read first: it may be large.
  if (code === OPEN_BRACE || code === OPEN_BRACKET) return parseHash({}, where)
  return parseHash(readValue(cursor), where)
}

/** Most UTF-8 bytes of a UTF-16 unit. */
const BYTES_PER_UNIT = 3

function readRecord(cursor: JsonCursor, limitBytes: number, where: Where = {}): Buffer {
  nextCode(cursor)
  const start = cursor.at
  let canonical: string | undefined
  try {
    canonical = readCanonical(cursor, limitBytes)
  } catch (error) {
    const known = asHoldfastJsonError(error)
    if (!(known instanceof HoldfastError) || known.code !== 'PAYLOAD_TOO_LARGE') throw error
  }
  const length = cursor.at - start
  if (
    canonical === undefined ||
    (length * BYTES_PER_UNIT > limitBytes &&
      Buffer.byteLength(cursor.text.slice(start, cursor.at)) > limitBytes)
  ) {
    throw new HoldfastError(
      'PAYLOAD_TOO_LARGE',
      `The record is longer than ${limitBytes} bytes; hash it with SHA-256 and send the hash.`,
      where,
    )
  }
  return canonicalHash(canonical)
}
