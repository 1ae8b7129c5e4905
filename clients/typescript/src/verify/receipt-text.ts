/** The text of a receipt in, its value out. One spelling for each value: no escapes, no repeated keys, plain digits. */
import { HoldfastError } from '../errors.ts'
import { MAX_RECEIPT_LENGTH } from '../format.ts'

const STRING_OR_SPACE = /"[^"]*"|[ \t\n\r]+/g

/**
 * Without escapes a string ends at the next quote, so white space outside strings is found without a parser. What
 * `JSON.stringify` makes of the parsed text then differs from the text exactly if a key is repeated or a number has
 * another spelling than plain digits.
 * @throws HoldfastError INVALID_RECEIPT
 */
export function parseReceiptText(text: string): unknown {
  if (text.length > MAX_RECEIPT_LENGTH) fail(`It is longer than ${MAX_RECEIPT_LENGTH} characters`)
  if (text.startsWith('\ufeff')) fail('It starts with a byte order mark; remove that')
  let value: unknown
  let again: string
  try {
    value = JSON.parse(text)
    again = JSON.stringify(value)
  } catch (cause) {
    // Neither message of V8's is quoted: both hold parts of the text.
    fail(cause instanceof RangeError ? 'It is nested too deep' : syntaxFault(text), cause)
  }
  if (text.includes('\\')) fail('No string of a receipt has an escape (\\)')
  if (again === text) return value
  const dense = text.replace(STRING_OR_SPACE, (part) => (part.startsWith('"') ? part : ''))
  if (again !== dense) fail(spellingFault(dense, again))
  return value
}

function spellingFault(dense: string, again: string): string {
  let at = 0
  while (dense[at] === again[at]) at++
  const before = dense.slice(0, at)
  const key = /"([^"]{1,40})":[^"]*$/.exec(before)?.[1]
  const where = key === undefined ? '' : ` at or after "${key}"`
  return `A key is there twice, or a number is not written as plain decimal digits,${where} (character ${at + 1} without white space)`
}

function syntaxFault(text: string): string {
  return text.trim() === '' ? 'It is empty' : 'It is not JSON'
}

function fail(what: string, cause?: unknown): never {
  throw new HoldfastError('INVALID_RECEIPT', `The document: ${what}.`, { cause })
}
