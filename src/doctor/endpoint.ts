import { askFinalized, DEFAULT_CONFIRMATIONS, finalityOf } from 'holdfast-client/finality'
import { blockAt } from '../anchor/rpc/chain-reads.ts'
import type { ChainView } from '../anchor/rpc/endpoints.ts'
import { ok, seconds, type Verdict, warn } from './verdict.ts'

/** A head older than this is a node that does not follow, or a chain that stands still. */
const STALE_HEAD_MS = 5 * 60_000
/** Rollups finalize in steps of up to half an hour; a chain whose final block is older has trouble. */
const STALE_FINAL_MS = 2 * 3_600_000

/** How one endpoint serves its chain: how far it is, and what it tells of final blocks. */
export async function judgeEndpoint(
  { ask, askOnce, head }: Pick<ChainView, 'ask' | 'askOnce' | 'head'>,
  chain: { chainId: number; confirmations?: number | undefined },
  now: number,
): Promise<Verdict> {
  const latest = await blockAt(ask, 'latest')
  const ageMs = latest === null ? Infinity : now - latest.time.getTime()
  const served = `serves chain ${chain.chainId}, block ${head}, ${seconds(Math.max(0, ageMs))} old`
  const { confirmations } = chain
  const answer = confirmations === undefined ? await askFinalized(askOnce) : null
  const final = finalityOf({ head, confirmations, answer })
  const upTo = final.number < 0 ? 'none final yet' : `final up to ${final.number}`
  if (answer?.kind === 'no_answer') {
    return warn(
      `${served}, asked for the final block it answers ${answer.said}`,
      'No anchor becomes final through this endpoint meanwhile. Use another one, or set the chain’s `confirmations`.',
    )
  }
  if (answer?.kind === 'cannot_tell') {
    const rule = `by ${DEFAULT_CONFIRMATIONS} confirmations, for it does not tell (it answers ${answer.said})`
    return judgeAge(`${served}, ${upTo} ${rule}`, ageMs)
  }
  const finalMs = answer?.kind === 'told' ? answer.block.timestamp * 1000 : null
  const lagMs = finalMs === null || latest === null ? 0 : latest.time.getTime() - finalMs
  if (lagMs >= STALE_FINAL_MS) {
    return warn(
      `${served}, ${upTo}, which is ${seconds(lagMs)} older`,
      'The chain or the node finalizes nothing at present. Anchors go on, and are final once it does.',
    )
  }
  return judgeAge(`${served}, ${upTo}`, ageMs)
}

function judgeAge(text: string, ageMs: number): Verdict {
  return ageMs < STALE_HEAD_MS ? ok(text) : warn(text, 'The node is behind, or the chain stands still.')
}
