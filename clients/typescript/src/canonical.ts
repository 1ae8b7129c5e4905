/**
 * Records as JSON: text in (strictly, so that every program reads the same value from it), RFC 8785 canonical text out.
 * Messages name the place in the input, never a record's values.
 */
import canonicalize from 'canonicalize'
import { JsonError, jsonPath } from './json-error.ts'
import { endJson, MAX_JSON_DEPTH, openJson, readCanonical, readValue } from './json-reader.ts'

export { JsonError, type JsonFault } from './json-error.ts'
export { MAX_JSON_DEPTH } from './json-reader.ts'

const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * Parses JSON (RFC 8259) that means the same everywhere. Keys such as `__proto__` are ordinary keys.
 * @throws JsonError `syntax` when the text is not JSON; `content` for a duplicate key, a lone surrogate, a number that a
 * double cannot hold, or nesting deeper than {@link MAX_JSON_DEPTH}
 */
export function parseStrictJson(text: string): unknown {
  const cursor = openJson(text)
  const value = readValue(cursor)
  endJson(cursor)
  return value
}

/**
 * The RFC 8785 canonical text of a JSON text: that of {@link canonicalJson} over {@link parseStrictJson}, in one pass.
 * @throws JsonError as {@link parseStrictJson}
 */
export function canonicalText(text: string): string {
  const cursor = openJson(text)
  const canonical = readCanonical(cursor)
  endJson(cursor)
  return canonical
}

/**
 * The RFC 8785 canonical text of a JSON value: null, booleans, finite numbers, strings, arrays and plain objects.
 * Properties that are `undefined` are left out, as JSON.stringify does.
 * @throws JsonError `content` for anything else, with the JSON path
 */
export function canonicalJson(value: unknown): string {
  assertJsonValue(value, [])
  return canonicalize(value) as string
}

function assertJsonValue(value: unknown, path: (string | number)[]): void {
  const fail = (what: string): never => {
    throw new JsonError('content', `${jsonPath(path)}: ${what}.`, [...path])
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
