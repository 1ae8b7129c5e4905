const SHORT_INTEGER = /^-?\d{1,15}$/
const PARTS = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

/**
 * Says why the number would not survive as an IEEE 754 double, or undefined when it does. It survives when its
 * decimal value is exactly that of the shortest decimal which names the double (what RFC 8785 writes). Integers
 * written without fraction and exponent must also lie within ±(2^53 - 1), where every integer has a double of its own.
 * @param literal a number in JSON grammar
 */
export function faultOfNumber(literal: string): string | undefined {
  if (SHORT_INTEGER.test(literal)) return undefined
  const value = Number(literal)
  if (!Number.isFinite(value)) return 'is too large for a double'
  if (/^-?\d+$/.test(literal) && !Number.isSafeInteger(value)) {
    return 'is an integer beyond ±(2^53 - 1), where programs disagree on its value'
  }
  if (decimalOf(literal) !== decimalOf(String(value))) {
    return 'has more digits than a double holds, so programs disagree on its value'
  }
  return undefined
}

/** The decimal value as `sign digits e exponent`, digits without zeros at either end; every zero is `0`. */
function decimalOf(literal: string): string {
  const [, sign, whole = '', fraction = '', exponent = '0'] = PARTS.exec(literal) ?? []
  const all = whole + fraction
  const first = all.search(/[1-9]/)
  if (first < 0) return '0'
  let end = all.length
  while (all.charCodeAt(end - 1) === 48) end--
  return `${sign}${all.slice(first, end)}e${Number(exponent) - fraction.length + all.length - end}`
}
