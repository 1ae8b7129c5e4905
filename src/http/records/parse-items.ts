import { parseStrictJson } from '../../core/canonical.ts'
import { HoldfastError } from '../../core/errors.ts'
import { parseHash } from '../../core/hash.ts'
import { recordHash } from '../../core/record-hash.ts'
import { decodeUtf8 } from './body.ts'
import { readHashList } from './hash-bytes.ts'

/** What a JSON body of `POST /v1/records` asks to store. `hashes` is n x 32 bytes, in the order of the items. */
export type Items = { kind: 'hash' | 'hashes' | 'record' | 'records'; hashes: Buffer }

export const MAX_HASHES = 10_000
export const MAX_RECORDS = 1_000

const KINDS = ['hash', 'hashes', 'record', 'records'] as const
const SINGLE_HASH =
  /^[ \t\r\n]*\{[ \t\r\n]*"hash"[ \t\r\n]*:[ \t\r\n]*"(?:0x)?([0-9a-fA-F]{64})"[ \t\r\n]*\}[ \t\r\n]*$/
/** Of the longest body that is looked at for {@link singleHashDigits}. */
export const SINGLE_HASH_BYTES = 256

/**
 * The 64 digits of a body that is nothing but `{"hash": "…"}`, or undefined: the way that nearly every single push
 * takes. What it does not take is read, or refused, by {@link parseItems}.
 */
export function singleHashDigits(body: Buffer): string | undefined {
  if (body.length > SINGLE_HASH_BYTES) return undefined
  return SINGLE_HASH.exec(body.toString('latin1'))?.[1]
}

/**
 * Reads a JSON body of `POST /v1/records`; records become their hashes here and go no further.
 * @throws HoldfastError saying what is wrong and, for an item of a list, at which `index`
 */
export function parseItems(body: Buffer): Items {
  const fast = readHashList(body, MAX_HASHES)
  if (fast !== null) return { kind: 'hashes', hashes: fast }
  const [kind, value] = onlyKey(parseJsonBody(body), KINDS)
  switch (kind) {
    case 'hash':
      return { kind, hashes: parseHash(value) }
    case 'record':
      return { kind, hashes: recordHash(value) }
    case 'hashes':
      return { kind, hashes: eachOf(kind, value, MAX_HASHES, (item, index) => parseHash(item, { index })) }
    case 'records':
      return { kind, hashes: eachOf(kind, value, MAX_RECORDS, (item) => recordHash(item)) }
  }
}

/**
 * The hashes of a `{"hashes": […]}` body, 32 bytes each.
 * @throws HoldfastError as {@link parseItems}
 */
export function parseHashList(body: Buffer, most: number): Buffer[] {
  const [, value] = onlyKey(parseJsonBody(body), ['hashes'])
  const hashes = eachOf('hashes', value, most, (item, index) => parseHash(item, { index }))
  return Array.from({ length: hashes.length / 32 }, (_, i) => hashes.subarray(i * 32, i * 32 + 32))
}

/**
 * A body as JSON that means the same everywhere. A fault inside an item of "hashes" or "records" has its `index`.
 * @throws HoldfastError EMPTY, INVALID_ENCODING, INVALID_JSON, INVALID_RECORD
 */
export function parseJsonBody(body: Buffer): unknown {
  if (body.length === 0) throw new HoldfastError('EMPTY', 'The body is empty; JSON was expected.')
  return parseStrictJson(decodeUtf8(body), ([key, item]) =>
    (key === 'hashes' || key === 'records') && typeof item === 'number' ? { index: item } : {},
  )
}

/**
 * The one key of an object that may have exactly one of some keys, with its value.
 * @throws HoldfastError INVALID_REQUEST
 */
export function onlyKey<K extends string>(
  value: unknown,
  allowed: readonly K[],
  where: { line?: number } = {},
): [K, unknown] {
  const choice = allowed.map((key) => JSON.stringify(key)).join(', ')
  const expected = allowed.length === 1 ? `the key ${choice}` : `one of the keys ${choice}`
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new HoldfastError('INVALID_REQUEST', `Expected a JSON object with ${expected}.`, where)
  }
  const keys = Object.keys(value)
  const unknown = keys.find((key) => !allowed.includes(key as K))
  if (unknown !== undefined) {
    const shown = JSON.stringify(unknown.length > 40 ? `${unknown.slice(0, 40)}…` : unknown)
    throw new HoldfastError('INVALID_REQUEST', `Unknown key ${shown}; expected ${expected}.`, where)
  }
  if (keys.length !== 1) {
    const got = keys.length === 0 ? 'none' : keys.map((key) => JSON.stringify(key)).join(' and ')
    throw new HoldfastError('INVALID_REQUEST', `Expected exactly ${expected}; got ${got}.`, where)
  }
  const key = keys[0] as K
  return [key, (value as Record<K, unknown>)[key]]
}

function eachOf(
  key: string,
  value: unknown,
  most: number,
  hashOf: (item: unknown, index: number) => Buffer,
): Buffer {
  if (!Array.isArray(value)) throw new HoldfastError('INVALID_REQUEST', `"${key}" must be an array.`)
  if (value.length === 0) throw new HoldfastError('EMPTY', `"${key}" is empty; there is nothing to do.`)
  if (value.length > most) {
    throw new HoldfastError(
      'TOO_MANY_ITEMS',
      `"${key}" holds ${value.length} items; ${most} is the most in one request. Send several, or NDJSON or octets.`,
      { index: most },
    )
  }
  const hashes = Buffer.allocUnsafe(value.length * 32)
  for (let index = 0; index < value.length; index++) hashes.set(hashOf(value[index], index), index * 32)
  return hashes
}
