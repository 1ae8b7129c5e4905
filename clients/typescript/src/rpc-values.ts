/**
 * Reads the values of JSON-RPC answers. Tolerant in spelling (upper-case hex, decimal quantities, white space), strict
 * in meaning: readers throw for anything that is not exactly one value of their kind. Hex out is lower-case.
 */
import type { Hex } from './format.ts'

/** A result, but not of the form that the method promises, or not the answer to the question. */
export class MalformedAnswerError extends Error {
  override readonly name = 'MalformedAnswerError'
}

/** Asks one endpoint one question. */
export type Ask = (method: string, params: readonly unknown[]) => Promise<unknown>

/**
 * Asks, and reads the answer with `decode`, which may throw anything at a result that the method does not promise.
 * @throws MalformedAnswerError then; what `ask` throws
 */
export async function askFor<T>(
  ask: Ask,
  method: string,
  params: readonly unknown[],
  decode: (answer: unknown) => T,
): Promise<T> {
  const answer = await ask(method, params)
  try {
    return decode(answer)
  } catch (cause) {
    const fault = cause instanceof Error ? cause.message : String(cause)
    throw new MalformedAnswerError(`${method} was answered with something else: ${fault}`, { cause })
  }
}

/** A quantity that a double holds exactly. */
export function quantityOf(value: unknown): number {
  const number = Number(bigQuantityOf(value))
  if (!Number.isSafeInteger(number)) throw new RangeError('a quantity that is too large')
  return number
}

/** A quantity of any size, such as wei: `0x` hex, or decimal as a JSON number or text. */
export function bigQuantityOf(value: unknown): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  const text = typeof value === 'string' ? value.trim() : ''
  if (/^0x[0-9a-f]{1,64}$/i.test(text) || /^[0-9]{1,78}$/.test(text)) return BigInt(text.toLowerCase())
  throw new TypeError('not a quantity')
}

/** The quantity, or null where it is missing or odd: for fields that nothing depends on. */
export function maybeQuantityOf(value: unknown): bigint | null {
  try {
    return bigQuantityOf(value)
  } catch {
    return null
  }
}

/** `0x` and an even number of digits, perhaps none. */
export function bytesOf(value: unknown): Hex {
  const text = typeof value === 'string' ? value.trim().toLowerCase() : ''
  if (!/^0x([0-9a-f]{2})*$/.test(text)) throw new TypeError('not bytes')
  return text as Hex
}

export function bytes32Of(value: unknown): Hex {
  return fixedBytesOf(value, 32)
}

/** Lower-case, not EIP-55. */
export function addressOf(value: unknown): Hex {
  return fixedBytesOf(value, 20)
}

function fixedBytesOf(value: unknown, bytes: number): Hex {
  const text = typeof value === 'string' ? value.trim().toLowerCase().replace(/^0x/, '') : ''
  if (text.length !== bytes * 2 || !/^[0-9a-f]+$/.test(text)) throw new TypeError(`not ${bytes} bytes`)
  return `0x${text}`
}

/** Fields of an object, or null where the endpoint says that there is none. */
export function fieldsOf(value: unknown): Record<string, unknown> | null {
  if (value === null || value === undefined) return null
  if (typeof value !== 'object' || Array.isArray(value)) throw new TypeError('not an object')
  return value as Record<string, unknown>
}
