import type { JsonCursor } from './json-tokens.ts'

/** `syntax`: not JSON. `content`: JSON without a canonical form. `size`: longer than the caller allows. */
export type JsonFault = 'syntax' | 'content' | 'size'

/** The message gives line, column and JSON path, and never a value. */
export class JsonError extends Error {
  readonly fault: JsonFault
  /** Keys and indexes from the top to the fault. */
  readonly path: readonly (string | number)[]

  constructor(fault: JsonFault, message: string, path: readonly (string | number)[]) {
    super(message)
    this.name = 'JsonError'
    this.fault = fault
    this.path = path
  }
}

/** @param at offset of the token at fault */
export function failAt(cursor: JsonCursor, fault: JsonFault, what: string, at = cursor.at): never {
  const path = [...cursor.path]
  const lines = cursor.text.slice(0, at).split(/\r\n|\r|\n/)
  const column = lines.at(-1)!.length + 1
  throw new JsonError(fault, `Line ${lines.length}, column ${column} (${jsonPath(path)}): ${what}.`, path)
}

/** Says what would be right at the cursor, and what stands there where that helps. */
export function failExpected(cursor: JsonCursor, expected: string): never {
  const { text, at } = cursor
  if (text.startsWith('//', at) || text.startsWith('/*', at))
    failAt(cursor, 'syntax', 'a comment is not JSON')
  let before = at - 1
  while (before >= 0 && ' \t\r\n'.includes(text.charAt(before))) before--
  const opened = text.charAt(before)
  const orEnd = opened === '[' ? ' or ]' : opened === '{' ? ' or }' : ''
  const end = at >= text.length ? ', got the end' : ''
  failAt(cursor, 'syntax', `expected ${expected}${orEnd}${end}`)
}

export function failTwice(cursor: JsonCursor, key: string, at: number): never {
  failAt(cursor, 'content', `the key ${shown(key)} is there twice`, at)
}

/** `$.a[3]["b c"]`, shortened where it is long. */
export function jsonPath(keys: readonly (string | number)[]): string {
  const steps = keys.slice(0, 16).map((key) => {
    if (typeof key === 'number') return `[${key}]`
    return /^[A-Za-z_]\w{0,39}$/.test(key) ? `.${key}` : `[${shown(key)}]`
  })
  return `$${steps.join('')}${keys.length > 16 ? '…' : ''}`
}

function shown(key: string): string {
  return JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key)
}
