/**
 * The newest final block, as one endpoint tells it. In: a view, and what earlier looks saw. Out: the number that anchors
 * are held against, what it rests on, and since when it stands still. No answer here holds up a look.
 */
import {
  askFinalized,
  DEFAULT_CONFIRMATIONS,
  type FinalizedAnswer,
  finalityOf,
} from 'holdfast-client/finality'
import type { AnchorContext } from './context.ts'
import type { FinalHead, FinalityMemory } from './report.ts'
import type { ChainView } from './rpc/endpoints.ts'

/** Well past the steps in which Ethereum (6 min) and the rollups on it (20 min) finalize. */
const STALLED_AFTER_MS = 3_600_000

/** @throws nothing that the endpoint does */
export async function finalHead(context: AnchorContext, view: ChainView): Promise<FinalHead> {
  const { chain, memory, clock } = context
  const now = clock.now()
  const seen = memory.finality
  const answer = chain.confirmations === undefined ? await askFinalized(view.askOnce) : null
  if (answer?.kind === 'no_answer') seen.unansweredSince ??= now
  else seen.unansweredSince = null
  const finality = finalityOf({
    head: view.head,
    confirmations: chain.confirmations,
    answer,
    told: seen.told?.number,
    unansweredMs: seen.unansweredSince === null ? 0 : now - seen.unansweredSince,
  })
  if (answer?.kind === 'told') noteTold(seen, finality.number, now, view.head)
  const byTag = finality.by === 'tag' || finality.by === 'earlier'
  const ageMs = byTag && seen.told !== null && view.head > seen.told.head ? now - seen.told.at : 0
  const final: FinalHead = {
    ...finality,
    since: byTag && seen.told !== null ? new Date(seen.told.at) : null,
    stalled: ageMs >= STALLED_AFTER_MS,
    said: answer === null || answer.kind === 'told' ? null : answer.said,
  }
  tell(context, view, final, ageMs)
  return final
}

/**
 * The newest final block by another endpoint, for comparison; -1 when it knows none.
 * @throws nothing that the endpoint does
 */
export async function finalNumber({ chain, memory }: AnchorContext, view: ChainView): Promise<number> {
  const { confirmations } = chain
  const answer: FinalizedAnswer | null = confirmations === undefined ? await askFinalized(view.askOnce) : null
  return finalityOf({ head: view.head, confirmations, answer, told: memory.finality.told?.number }).number
}

/** A lower number than before is a lagging endpoint's, or, below a lower head, a chain that was reset. */
function noteTold(seen: FinalityMemory, number: number, now: number, head: number): void {
  const wasReset = seen.told !== null && head < seen.told.number
  if (seen.told === null || wasReset || number > seen.told.number) seen.told = { number, at: now, head }
}

function tell(context: AnchorContext, view: ChainView, final: FinalHead, ageMs: number): void {
  const { chain, memory, logger, metrics } = context
  metrics.gauge('holdfast_finality_age_seconds', ageMs / 1000, { chain: String(chain.chainId) })
  const text = describeFinality(final, view.head)
  if (text === null || memory.finality.logged === text) return
  memory.finality.logged = text
  logger.warn({ chainId: chain.chainId, endpoint: view.endpoint, head: view.head }, text)
}

/** What an operator should know of it; null where the chain tells which block is final, and goes on. */
export function describeFinality(final: FinalHead, head: number): string | null {
  const said = final.said === null ? '' : ` (it answers ${final.said})`
  if (final.stalled) {
    return `The chain has finalized nothing past block ${final.number} since ${final.since?.toISOString()}, while it went on to block ${head}.`
  }
  switch (final.by) {
    case 'fallback':
      return `The endpoint does not tell which block is final${said}: blocks with ${DEFAULT_CONFIRMATIONS} on top count as final. Set the chain's \`confirmations\` for another number.`
    case 'earlier':
      return `The endpoint does not tell which block is final at present${said}: blocks up to ${final.number}, which it told earlier, count as final.`
    case 'nothing':
      return `The endpoint did not answer which block is final${said}: none becomes final meanwhile.`
    default:
      return null
  }
}
