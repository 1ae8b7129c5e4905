/**
 * Which blocks count as final: one rule for the daemon and for verifiers. In: what an endpoint answers when asked for
 * the block with the tag `finalized`. Out: the number of the newest final block, and what it rests on.
 *
 * 1. `confirmations`, where configured, decide alone; the tag is not asked for.
 * 2. The tag's block, where the endpoint tells one past genesis.
 * 3. An endpoint that cannot tell (no such tag or block, in whatever words; null; genesis): the block that the tag told
 *    earlier on this chain; on a chain whose tag never told any, {@link DEFAULT_CONFIRMATIONS} below the head.
 * 4. A temporary failure (rate limit, broken connection) says nothing of the chain: no block becomes final by it.
 */
import { type Block, blockAt } from './chain-reads.ts'
import { RpcAnswerError, RpcTransportError } from './json-rpc.ts'
import { faultKindOf } from './rpc-retry.ts'
import { type Ask, MalformedAnswerError } from './rpc-values.ts'

/** Blocks on top that count as final where the chain does not tell. */
export const DEFAULT_CONFIRMATIONS = 64

/** A tag that only ever met temporary failures for this long, beside answered questions, counts as missing. */
const MISSING_AFTER_MS = 600_000

export type FinalizedAnswer =
  | { kind: 'told'; block: Block }
  /** `said`: in the endpoint's words, or ours. */
  | { kind: 'cannot_tell' | 'no_answer'; said: string }

/** Never rejects for what the endpoint does. */
export async function askFinalized(ask: Ask): Promise<FinalizedAnswer> {
  try {
    const block = await blockAt(ask, 'finalized')
    if (block === null) return { kind: 'cannot_tell', said: 'null' }
    if (block.number === 0) return { kind: 'cannot_tell', said: 'genesis' }
    return { kind: 'told', block }
  } catch (error) {
    if (error instanceof MalformedAnswerError) return { kind: 'cannot_tell', said: error.message }
    if (error instanceof RpcAnswerError) {
      const said = `${error.code}: ${error.message}`
      return { kind: faultKindOf(error) === 'limited' ? 'no_answer' : 'cannot_tell', said }
    }
    if (!(error instanceof RpcTransportError)) throw error
    return { kind: faultKindOf(error) === 'refused' ? 'cannot_tell' : 'no_answer', said: error.message }
  }
}

export type Finality = {
  /** Number of the newest final block; -1 when none is known to be. */
  number: number
  /**
   * `confirmations` as configured, `tag` the chain's own word, `earlier` its word of before, `fallback`
   * {@link DEFAULT_CONFIRMATIONS}, `nothing` the endpoint did not answer.
   */
  by: 'confirmations' | 'tag' | 'earlier' | 'fallback' | 'nothing'
}

/**
 * @param given.answer null when `confirmations` is given
 * @param given.told newest block that the tag has told on this chain so far
 * @param given.unansweredMs for how long the tag has met nothing but temporary failures, other questions being answered
 */
export function finalityOf(given: {
  head: number
  confirmations?: number | undefined
  answer: FinalizedAnswer | null
  told?: number | undefined
  unansweredMs?: number
}): Finality {
  const { head, confirmations, answer, unansweredMs = 0 } = given
  if (confirmations !== undefined) return { number: Math.max(-1, head - confirmations), by: 'confirmations' }
  if (answer?.kind === 'told') return { number: Math.min(answer.block.number, head), by: 'tag' }
  // A chain shorter than that is another one, or an endpoint that lags.
  if (given.told !== undefined && given.told <= head) return { number: given.told, by: 'earlier' }
  const cannotTell = answer?.kind === 'cannot_tell' || unansweredMs >= MISSING_AFTER_MS
  return cannotTell
    ? { number: Math.max(-1, head - DEFAULT_CONFIRMATIONS), by: 'fallback' }
    : { number: -1, by: 'nothing' }
}
