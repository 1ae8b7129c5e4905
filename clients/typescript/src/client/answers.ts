/** The daemon's answers, checked before anybody relies on them. */
import { HoldfastError } from '../errors.ts'
import type { Hex } from '../format.ts'
import type { Answer } from './request.ts'

/**
 * The JSON object of an answer.
 * @throws HoldfastError UNREACHABLE when it is none: something between us and the daemon answered
 */
export async function objectOf({ response }: Answer): Promise<Record<string, unknown>> {
  const text = await response.text()
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
  }
  throw new HoldfastError(
    'UNREACHABLE',
    'The answer is not a JSON object; is this the URL of a Holdfast daemon?',
    {
      kind: 'stop',
    },
  )
}

/** @throws HoldfastError WRONG_ANSWER unless the answer is for the hash that was asked */
export function requireHash(answered: unknown, asked: Hex): void {
  if (answered === asked) return
  throw new HoldfastError('WRONG_ANSWER', `Asked for ${asked}, the daemon answered for ${shown(answered)}.`)
}

export function shown(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 80) : `a ${typeof value}`
}

/** @throws HoldfastError WRONG_ANSWER unless the daemon says that it has stored exactly so many hashes */
export function acknowledgementOf(
  status: number,
  answer: Record<string, unknown>,
  count: number,
): { receivedAt: string; anchorBy: string | null } {
  const { accepted, receivedAt, anchorBy } = answer
  const isWhole =
    status === 202 &&
    accepted === count &&
    typeof receivedAt === 'string' &&
    (anchorBy === null || typeof anchorBy === 'string')
  if (isWhole) return { receivedAt, anchorBy }
  throw new HoldfastError(
    'WRONG_ANSWER',
    `Pushed ${count} hashes, and the answer (HTTP ${status}) does not say that so many are stored.`,
  )
}
