/**
 * In: JSON text. Out: values, or RFC 8785 canonical text, in one pass. Strict: refuses text that two JSON parsers could
 * read differently. Costs n log n of the text's length; canonical text is made without hash tables of keys.
 */

import { failAt, failExpected, failTwice } from './json-error.ts'
import { decoded, type JsonCursor, nextCode, skipScalar, skipString } from './json-tokens.ts'

export { type JsonCursor, nextCode } from './json-tokens.ts'

/** Arrays and objects within each other; deeper input is refused, so that no reader's stack overflows. */
export const MAX_JSON_DEPTH = 256

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

export function openJson(text: string): JsonCursor {
  return { text, at: 0, path: [], limit: Number.POSITIVE_INFINITY }
}

/** @throws JsonError unless only white space is left */
export function endJson(cursor: JsonCursor): void {
  if (nextCode(cursor) >= 0) failAt(cursor, 'syntax', 'expected nothing after the value')
}

/** Reads any value. Keys such as `__proto__` are ordinary keys. */
export function readValue(cursor: JsonCursor): unknown {
  const code = nextCode(cursor)
  if (code === OPEN_BRACE) {
    const object: Record<string, unknown> = {}
    for (const key of membersOf(cursor, (known) => Object.hasOwn(object, known))) {
      const value = readValue(cursor)
      if (key !== '__proto__') object[key] = value
      else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
    }
    return object
  }
  if (code === OPEN_BRACKET) {
    const array: unknown[] = []
    for (const _ of itemsOf(cursor)) array.push(readValue(cursor))
    return array
  }
  const start = cursor.at
  if (code === QUOTE) {
    const plain = skipString(cursor)
    return plain ? cursor.text.slice(start + 1, cursor.at - 1) : decoded(cursor, start)
  }
  skipScalar(cursor, code)
  return JSON.parse(cursor.text.slice(start, cursor.at))
}

/**
 * The canonical text of the next value.
 * @param maxLength of the value as it stands in the text, in UTF-16 units
 * @throws JsonError of fault `size` when it is longer; the rest of it is then not read
 */
export function readCanonical(cursor: JsonCursor, maxLength = Number.POSITIVE_INFINITY): string {
  nextCode(cursor)
  const start = cursor.at
  cursor.limit = start + maxLength
  const canonical = canonicalValue(cursor)
  if (cursor.at > cursor.limit) failAt(cursor, 'size', 'the record is too long', start)
  cursor.limit = Number.POSITIVE_INFINITY
  return canonical
}

/**
 * The keys of the object at the cursor. The caller reads each member's value before it asks for the next key.
 * @param isKnown whether the key came before
 */
export function* membersOf(cursor: JsonCursor, isKnown: (key: string) => boolean): Generator<string> {
  if (!open(cursor, CLOSE_BRACE, '')) return
  do {
    expectKey(cursor)
    const start = cursor.at
    const plain = skipString(cursor)
    const key = plain ? cursor.text.slice(start + 1, cursor.at - 1) : decoded(cursor, start)
    cursor.path[cursor.path.length - 1] = key
    if (isKnown(key)) failTwice(cursor, key, start)
    skipColon(cursor)
    yield key
  } while (goesOn(cursor, CLOSE_BRACE))
}

/** The indexes of the array at the cursor. The caller reads each item before it asks for the next index. */
export function* itemsOf(cursor: JsonCursor): Generator<number> {
  if (!open(cursor, CLOSE_BRACKET, 0)) return
  let index = 0
  do {
    cursor.path[cursor.path.length - 1] = index
    yield index++
  } while (goesOn(cursor, CLOSE_BRACKET))
}

function canonicalValue(cursor: JsonCursor): string {
  const code = nextCode(cursor)
  if (code === OPEN_BRACE) return canonicalObject(cursor)
  if (code === OPEN_BRACKET) return canonicalArray(cursor)
  const start = cursor.at
  if (code === QUOTE) {
    const plain = skipString(cursor)
    return plain ? cursor.text.slice(start, cursor.at) : JSON.stringify(decoded(cursor, start))
  }
  const canonical = skipScalar(cursor, code)
  const literal = cursor.text.slice(start, cursor.at)
  return canonical ? literal : String(Number(literal))
}

function canonicalArray(cursor: JsonCursor): string {
  if (!open(cursor, CLOSE_BRACKET, 0)) return '[]'
  let text = '['
  let index = 0
  do {
    cursor.path[cursor.path.length - 1] = index
    if (index++ > 0) text += ','
    text += canonicalValue(cursor)
  } while (goesOn(cursor, CLOSE_BRACKET))
  return `${text}]`
}

type Member = { key: string; at: number; text: string }

function canonicalObject(cursor: JsonCursor): string {
  if (!open(cursor, CLOSE_BRACE, '')) return '{}'
  const members: Member[] = []
  let sorted = true
  do {
    expectKey(cursor)
    const at = cursor.at
    const plain = skipString(cursor)
    const raw = cursor.text.slice(at, cursor.at)
    const key = plain ? raw.slice(1, -1) : decoded(cursor, at)
    const name = plain ? raw : JSON.stringify(key)
    cursor.path[cursor.path.length - 1] = key
    skipColon(cursor)
    sorted &&= members.length === 0 || key > members[members.length - 1]!.key
    members.push({ key, at, text: `${name}:${canonicalValue(cursor)}` })
  } while (goesOn(cursor, CLOSE_BRACE))
  if (!sorted) sortMembers(cursor, members)
  let text = `{${members[0]!.text}`
  for (let i = 1; i < members.length; i++) text += `,${members[i]!.text}`
  return `${text}}`
}

/** Orders members by UTF-16 code units, as RFC 8785 (3.2.3) asks. The sort is stable: of equal keys the later follows. */
function sortMembers(cursor: JsonCursor, members: Member[]): void {
  members.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  let twice: Member | undefined
  for (let i = 1; i < members.length; i++) {
    const member = members[i]!
    if (member.key === members[i - 1]!.key && member.at < (twice?.at ?? Infinity)) twice = member
  }
  if (twice === undefined) return
  cursor.path.push(twice.key)
  failTwice(cursor, twice.key, twice.at)
}

/** Steps into a container. @returns false when it is empty, and steps out again */
function open(cursor: JsonCursor, close: number, first: string | number): boolean {
  if (cursor.path.length === MAX_JSON_DEPTH) {
    failAt(cursor, 'content', `nested deeper than ${MAX_JSON_DEPTH} levels`)
  }
  cursor.at++
  if (nextCode(cursor) === close) {
    cursor.at++
    return false
  }
  cursor.path.push(first)
  return true
}

/** Steps over the comma between members or items. @returns false at the end of the container, and steps out */
function goesOn(cursor: JsonCursor, close: number): boolean {
  const code = nextCode(cursor)
  if (cursor.at > cursor.limit) failAt(cursor, 'size', 'the record is too long')
  if (code !== COMMA && code !== close) {
    failExpected(cursor, close === CLOSE_BRACE ? ', or }' : ', or ]')
  }
  cursor.at++
  if (code === COMMA) return true
  cursor.path.pop()
  return false
}

function expectKey(cursor: JsonCursor): void {
  if (nextCode(cursor) !== QUOTE) failExpected(cursor, 'a quoted key')
}

function skipColon(cursor: JsonCursor): void {
  if (nextCode(cursor) !== COLON) failExpected(cursor, ':')
  cursor.at++
}
