/** Looks with nothing to do: the head only, and everything once in a while. */
import { type Account, readAccount } from '../store/chain/accounts.ts'
import { openAnchors } from '../store/chain/anchors.ts'
import type { AnchorContext } from './context.ts'
import type { PassReport } from './report.ts'
import type { ChainView } from './rpc/endpoints.ts'

/** Between whole looks while nothing is open or due. */
const WHOLE_LOOK_EVERY_MS = 30_000

/**
 * The last whole look's report at this head, while nothing can have changed that anchoring depends on; null when a whole
 * look is due: work waits, the account's row is another one, or the last whole look was too long ago.
 */
export async function idleReport(context: AnchorContext, view: ChainView): Promise<PassReport | null> {
  const { memory, clock } = context
  const last = memory.lastWholeLook
  if (last === null || memory.due || last.report.busy) return null
  const sinceMs = clock.now() - last.at
  if (sinceMs < 0 || sinceMs >= WHOLE_LOOK_EVERY_MS) return null
  if ((await stateOf(context)) !== last.state) return null
  return { ...last.report, head: view.head }
}

/** Keeps the report of a whole look that left nothing to find out. */
export async function noteWholeLook(
  context: AnchorContext,
  account: Account,
  report: PassReport,
): Promise<void> {
  const { memory, clock } = context
  const isSettled = !report.busy && account.confirmed
  memory.lastWholeLook = isSettled ? { report, at: clock.now(), state: await stateOf(context) } : null
}

/** What others may change meanwhile: operators resume, deployments set nonces aside. */
async function stateOf({ pool, chain, signer }: AnchorContext): Promise<string> {
  const account = await readAccount(pool, chain.chainId, signer.address)
  const open = await openAnchors(pool, chain.chainId)
  return JSON.stringify([account, open.map(({ id }) => id)])
}
