import { type JsonRpc, MalformedAnswerError } from './json-rpc.ts'

/**
 * Asks, and reads the answer with `decode`, which may throw whatever it likes at something else than the method promises.
 * @throws MalformedAnswerError then; what `ask` throws
 */
export async function askFor<T>(
  ask: JsonRpc['call'],
  method: string,
  params: readonly unknown[],
  decode: (answer: unknown) => T,
): Promise<T> {
  const answer = await ask(method, params)
  try {
    return decode(answer)
  } catch (cause) {
    throw new MalformedAnswerError(`${method} was answered with something that it is not for`, { cause })
  }
}

/** A quantity that a double holds exactly. */
export function quantityOf(value: unknown): number {
  const number = Number(bigQuantityOf(value))
  if (!Number.isSafeInteger(number)) throw new RangeError('too large')
  return number
}

/** A quantity of any size, such as wei. */
export function bigQuantityOf(value: unknown): bigint {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]+$/.test(value)) throw new TypeError('not a quantity')
  return BigInt(value)
}

/** The quantity, also in decimal or as a number, or null: for fields that nothing but accounting depends on. */
export function looseQuantityOf(value: unknown): bigint | null {
  if (typeof value === 'string' && /^(0x[0-9a-fA-F]+|\d+)$/.test(value)) return BigInt(value)
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : null
}

export function bytes32Of(value: unknown): Buffer {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]{64}$/.test(value)) throw new TypeError('not 32 bytes')
  return Buffer.from(value.slice(2), 'hex')
}

/** Fields of an object, or null where the endpoint says that there is none. */
export function fieldsOf(value: unknown): Record<string, unknown> | null {
  if (value === null || value === undefined) return null
  if (typeof value !== 'object' || Array.isArray(value)) throw new TypeError('not an object')
  return value as Record<string, unknown>
}
