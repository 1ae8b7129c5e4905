/** The tokens of JSON text: strings, numbers and words, checked where they stand. */
import { failAt, failExpected } from './json-error.ts'
import { faultOfNumber } from './json-number.ts'

/** A place in a text. The functions here read on from `at` and leave it behind what they read. */
export type JsonCursor = {
  readonly text: string
  at: number
  /** Keys and indexes of the containers around `at`. */
  readonly path: (string | number)[]
  /** Offset that the current record must not pass. */
  limit: number
}

const QUOTE = 0x22
const PLUS = 0x2b
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const BACKSLASH = 0x5c
const SMALL_U = 0x75

const LONE_SURROGATE = /\p{Surrogate}/u
const FOUR_HEX = /[0-9a-fA-F]{4}/y
/** Decimal numbers of so many digits survive as a double, unless it is subnormal. */
const SAFE_DIGITS = 15
const MIN_NORMAL = 2 ** -1022

/** Moves to the next token. @returns its first UTF-16 code unit; NaN at the end */
export function nextCode(cursor: JsonCursor): number {
  const { text } = cursor
  let code = text.charCodeAt(cursor.at)
  while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = text.charCodeAt(++cursor.at)
  return code
}

/** Steps over the string at the cursor. @returns whether it holds no escapes, so that its text is its value */
export function skipString(cursor: JsonCursor): boolean {
  const { text, at: start } = cursor
  let at = start + 1
  let plain = true
  let surrogates = false
  for (let code = text.charCodeAt(at); code !== QUOTE; code = text.charCodeAt(at)) {
    if (code === BACKSLASH) {
      plain = false
      at += escapeLength(cursor, at)
      continue
    }
    if (code < 0x20) failAt(cursor, 'syntax', 'a control character must be escaped')
    if (Number.isNaN(code)) failAt(cursor, 'syntax', 'a string has no closing quote')
    if ((code & 0xf800) === 0xd800) surrogates = true
    at++
  }
  cursor.at = at + 1
  if (surrogates && plain) assertPaired(cursor, text.slice(start, at), start)
  return plain
}

function escapeLength(cursor: JsonCursor, at: number): number {
  const code = cursor.text.charCodeAt(at + 1)
  if (code === SMALL_U) {
    FOUR_HEX.lastIndex = at + 2
    if (!FOUR_HEX.test(cursor.text)) failAt(cursor, 'syntax', 'a \\u escape needs four hex digits')
    return 6
  }
  if (Number.isNaN(code)) failAt(cursor, 'syntax', 'a string has no closing quote')
  if (!'"\\/bfnrt'.includes(String.fromCharCode(code))) failAt(cursor, 'syntax', 'no such escape')
  return 2
}

/** The value of the string from `start` to the cursor. */
export function decoded(cursor: JsonCursor, start: number): string {
  const value = JSON.parse(cursor.text.slice(start, cursor.at)) as string
  assertPaired(cursor, value, start)
  return value
}

function assertPaired(cursor: JsonCursor, value: string, start: number): void {
  if (!LONE_SURROGATE.test(value)) return
  failAt(cursor, 'content', 'a string holds half of a surrogate pair, which has no UTF-8 form', start)
}

/** Steps over a number, `true`, `false` or `null`. @returns whether it stands there in canonical form */
export function skipScalar(cursor: JsonCursor, code: number): boolean {
  if (code === MINUS || (code >= ZERO && code <= ZERO + 9)) return skipNumber(cursor)
  const word = code === 0x74 ? 'true' : code === 0x66 ? 'false' : code === 0x6e ? 'null' : ''
  if (word === '' || !cursor.text.startsWith(word, cursor.at)) failExpected(cursor, 'a value')
  cursor.at += word.length
  return true
}

function skipNumber(cursor: JsonCursor): boolean {
  const { text, at: start } = cursor
  const whole = text.charCodeAt(start) === MINUS ? start + 1 : start
  let at = text.charCodeAt(whole) === ZERO ? whole + 1 : afterDigits(cursor, whole)
  let digits = at - whole
  let exponentDigits = 0
  const integer = at
  if (text.charCodeAt(at) === DOT) {
    at = afterDigits(cursor, at + 1)
    digits = at - whole - 1
  }
  if ((text.charCodeAt(at) | 0x20) === 0x65) {
    const sign = text.charCodeAt(at + 1)
    const first = sign === PLUS || sign === MINUS ? at + 2 : at + 1
    at = afterDigits(cursor, first)
    exponentDigits = at - first
  }
  cursor.at = at
  if (digits <= SAFE_DIGITS && exponentDigits <= 2) {
    return at === integer && (whole === start || text.charCodeAt(whole) !== ZERO)
  }
  const literal = text.slice(start, at)
  if (digits <= SAFE_DIGITS && isNormal(Math.abs(Number(literal)))) return false
  const fault = faultOfNumber(literal)
  if (fault !== undefined) {
    failAt(cursor, 'content', `the number ${fault}; write it with fewer digits, or as a string`, start)
  }
  return false
}

/** Whether the double has all 53 bits of precision. */
function isNormal(magnitude: number): boolean {
  return magnitude >= MIN_NORMAL && magnitude <= Number.MAX_VALUE
}

/** @throws JsonError when there is no digit at `from` */
function afterDigits(cursor: JsonCursor, from: number): number {
  let at = from
  while (isDigit(cursor.text.charCodeAt(at))) at++
  if (at === from) failAt(cursor, 'syntax', 'a number breaks off')
  return at
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= ZERO + 9
}
