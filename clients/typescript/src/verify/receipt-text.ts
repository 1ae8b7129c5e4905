/** The text of a receipt in, its value out. One spelling for each value: no escapes, no repeated keys, plain digits. */
import { JsonError, parseStrictJson } from '../canonical.ts'
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
  if (text.length > MAX_RECEIPT_LENGTH) fail(`it is longer than ${MAX_RECEIPT_LENGTH} characters`)
  if (text.startsWith('\ufeff')) fail('it starts with a byte order mark; remove that')
  let value: unknown
  let again: string
  try {
    value = JSON.parse(text)
    again = JSON.stringify(value)
  } catch {
    failStrictly(text)
  }
  if (text.includes('\\')) failStrictly(text)
  const dense = again === text ? text : text.replace(STRING_OR_SPACE, (part) => (part[0] === '"' ? part : ''))
  return again === dense ? value : failStrictly(text)
}

/** The strict parser names the place of what it refuses; what it accepts is spelled otherwise than receipts are. */
function failStrictly(text: string): never {
  try {
    parseStrictJson(text)
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause
    throw new HoldfastError('INVALID_RECEIPT', cause.message, { cause })
  }
  const what = text.includes('\\')
    ? 'no string in it may have an escape (\\)'
    : 'numbers must be written as plain decimal digits'
  fail(what)
}

function fail(what: string): never {
  throw new HoldfastError('INVALID_RECEIPT', `The document: ${what}.`)
}
