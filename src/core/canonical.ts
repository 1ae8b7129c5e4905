/**
 * Records as JSON: text in (strictly, so that every program reads the same value from it), RFC 8785 canonical text out.
 * Isomorphic. Messages name the place in the input, never a record's values.
 */
import canonicalize from 'canonicalize'
import { createScanner, type JSONScanner } from 'jsonc-parser'
import { type ErrorCode, type ErrorContext, HoldfastError } from './errors.ts'
import { faultOfNumber } from './json-number.ts'

/** Arrays and objects within each other; deeper input is refused, so that no reader's stack can be blown. */
export const MAX_JSON_DEPTH = 256

/** jsonc-parser's token kinds (its own enum is ambient, which isolatedModules cannot import). */
const OPEN_BRACE = 1
const CLOSE_BRACE = 2
const OPEN_BRACKET = 3
const CLOSE_BRACKET = 4
const COMMA = 5
const COLON = 6
const STRING = 10
const NUMBER = 11
const LINE_BREAK = 14
const BLANK = 15
const END = 17

const SCAN_FAULTS = [
  '',
  'a comment is not JSON',
  'a string has no closing quote',
  'a number breaks off',
  'a \\u escape needs four hex digits',
  'no such escape',
  'a control character must be escaped',
]

const LONE_SURROGATE = /\p{Surrogate}/u
const MAY_HOLD_SURROGATE = /[\ud800-\udfff]|\\u[dD]/

type Place = { key: string | number; keys: Set<string> | undefined }
type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end' | 'nothing'

/**
 * Parses JSON (RFC 8259) that means the same everywhere. Keys such as `__proto__` are ordinary keys.
 * @throws HoldfastError INVALID_JSON when the text is not JSON; INVALID_RECORD for a duplicate key, a lone surrogate,
 * a number that a double cannot hold, or nesting deeper than {@link MAX_JSON_DEPTH}. The message gives line, column
 * and JSON path.
 * @param contextAt what else the error is to say of a fault at that path of keys and indexes
 */
export function parseStrictJson(
  text: string,
  contextAt?: (path: readonly (string | number)[]) => ErrorContext,
): unknown {
  const scanner = createScanner(text)
  const places: Place[] = []
  const checkSurrogates = MAY_HOLD_SURROGATE.test(text)
  let expected: Expected = 'value'

  const fail = (code: ErrorCode, what: string): never => {
    const path = places.map((place) => place.key)
    throw new HoldfastError(code, `${positionOf(scanner, path)}: ${what}.`, contextAt?.(path))
  }
  const afterValue = (): Expected => (places.length === 0 ? 'nothing' : ', or end')

  while (true) {
    const token: number = scanner.scan()
    if (token === BLANK || token === LINE_BREAK) continue
    const scanFault = scanner.getTokenError()
    if (scanFault !== 0) fail('INVALID_JSON', SCAN_FAULTS[scanFault] as string)
    if (token === END && expected === 'nothing') break
    const isString = token === STRING
    if (isString && checkSurrogates && LONE_SURROGATE.test(scanner.getTokenValue())) {
      fail('INVALID_RECORD', 'a string holds half of a surrogate pair, which has no UTF-8 form')
    }
    const place = places.at(-1)

    if (expected === ':') {
      if (token !== COLON) fail('INVALID_JSON', wanted(':', token))
      expected = 'value'
    } else if (expected === ', or end' && place !== undefined) {
      const close = place.keys === undefined ? CLOSE_BRACKET : CLOSE_BRACE
      if (token === COMMA) {
        if (typeof place.key === 'number') place.key++
        expected = place.keys === undefined ? 'value' : 'key'
      } else if (token === close) {
        places.pop()
        expected = afterValue()
      } else fail('INVALID_JSON', wanted(place.keys === undefined ? ', or ]' : ', or }', token))
    } else if ((expected === 'key' || expected === 'key or }') && place?.keys !== undefined) {
      if (token === CLOSE_BRACE && expected === 'key or }') {
        places.pop()
        expected = afterValue()
        continue
      }
      if (!isString) fail('INVALID_JSON', wanted(expected, token))
      const key = scanner.getTokenValue()
      if (place.keys.has(key)) fail('INVALID_RECORD', `the key ${shown(key)} is there twice`)
      place.keys.add(key)
      place.key = key
      expected = ':'
    } else if (expected === 'nothing') {
      fail('INVALID_JSON', 'expected nothing after the value')
    } else if (token === OPEN_BRACE || token === OPEN_BRACKET) {
      if (places.length === MAX_JSON_DEPTH) {
        fail('INVALID_RECORD', `nested deeper than ${MAX_JSON_DEPTH} levels`)
      }
      const object = token === OPEN_BRACE
      places.push({ key: object ? '' : 0, keys: object ? new Set() : undefined })
      expected = object ? 'key or }' : 'value or ]'
    } else if (token === CLOSE_BRACKET && expected === 'value or ]') {
      places.pop()
      expected = afterValue()
    } else if (token >= 7 && token <= NUMBER) {
      const fault = token === NUMBER ? faultOfNumber(scanner.getTokenValue()) : undefined
      if (fault !== undefined) {
        fail('INVALID_RECORD', `the number ${fault}; write it with fewer digits, or as a string`)
      }
      expected = afterValue()
    } else fail('INVALID_JSON', wanted(expected, token))
  }
  return JSON.parse(text)
}

/**
 * The RFC 8785 canonical text of a JSON value: null, booleans, finite numbers, strings, arrays and plain objects.
 * Properties that are `undefined` are left out, as JSON.stringify does.
 * @throws HoldfastError INVALID_RECORD for anything else, with the JSON path
 */
export function canonicalJson(value: unknown): string {
  assertJsonValue(value, [])
  return canonicalize(value) as string
}

function assertJsonValue(value: unknown, path: (string | number)[]): void {
  const fail = (what: string): never => {
    throw new HoldfastError('INVALID_RECORD', `${jsonPath(path)}: ${what}.`)
  }
  switch (typeof value) {
    case 'boolean':
      return
    case 'number':
      if (!Number.isFinite(value)) fail('NaN and infinities are not JSON')
      return
    case 'string':
      if (LONE_SURROGATE.test(value)) {
        fail('a string holds half of a surrogate pair, which has no UTF-8 form')
      }
      return
    case 'object':
      break
    default:
      fail(`${typeof value} is not JSON`)
  }
  if (value === null) return
  if (path.length === MAX_JSON_DEPTH) fail(`nested deeper than ${MAX_JSON_DEPTH} levels, or circular`)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) assertAt(value[i], i, path)
    return
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    fail('only plain objects and arrays are JSON; turn dates and the like into strings first')
  }
  for (const [key, member] of Object.entries(value as object)) {
    if (LONE_SURROGATE.test(key)) fail('a key holds half of a surrogate pair, which has no UTF-8 form')
    if (member !== undefined) assertAt(member, key, path)
  }
}

function assertAt(member: unknown, key: string | number, path: (string | number)[]): void {
  path.push(key)
  assertJsonValue(member, path)
  path.pop()
}

function wanted(expected: string, token: number): string {
  return `expected ${expected.replace('value', 'a value').replace('key', 'a quoted key')}${token === END ? ', got the end' : ''}`
}

function positionOf(scanner: JSONScanner, path: readonly (string | number)[]): string {
  const line = scanner.getTokenStartLine() + 1
  const column = scanner.getTokenStartCharacter() + 1
  return `Line ${line}, column ${column} (${jsonPath(path)})`
}

/** `$.a[3]["b c"]`, shortened where it is long. */
function jsonPath(keys: readonly (string | number)[]): string {
  const steps = keys.slice(0, 16).map((key) => {
    if (typeof key === 'number') return `[${key}]`
    return /^[A-Za-z_]\w{0,39}$/.test(key) ? `.${key}` : `[${shown(key)}]`
  })
  return `$${steps.join('')}${keys.length > 16 ? '…' : ''}`
}

function shown(key: string): string {
  return JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key)
}
