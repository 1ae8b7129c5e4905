/** Where people look for why something does not move: written when it changed, and only under the lease. */
import type { AnchorReason, Hindrance } from '../core/anchor-state.ts'
import { type Account, pauseAccount, readAccount, setWaitingReason } from '../store/chain/accounts.ts'
import { type Anchor, openAnchors, setAnchorReason } from '../store/chain/anchors.ts'
import { inLease } from '../store/connection/lease-transaction.ts'
import type { AnchorContext, PauseReason } from './context.ts'
import { pausedHindrance } from './hindrances.ts'

/** Stores why the anchor does not move, when that changed. */
export async function explain(
  context: AnchorContext,
  anchor: Anchor,
  hindrance: Hindrance | null,
): Promise<void> {
  const reason: AnchorReason | null = hindrance?.reason ?? null
  const detail = hindrance?.detail ?? null
  if (anchor.reason === reason && anchor.detail === detail) return
  if (anchor.reason !== reason && hindrance !== null) {
    context.logger.warn({ chainId: context.chain.chainId, anchorId: anchor.id, reason }, hindrance.detail)
  }
  await inLease(context.pool, context.lease, (client) => setAnchorReason(client, anchor.id, reason, detail))
}

/** Stores why batches without an anchor wait, when that changed. */
export async function wait(context: AnchorContext, hindrance: Hindrance | null): Promise<void> {
  const { pool, lease, chain, signer } = context
  const account = await readAccount(pool, chain.chainId, signer.address)
  const why = hindrance ?? (account?.pausedReason != null ? pausedHindrance(account) : null)
  const reason = why?.reason ?? null
  const detail = why?.detail ?? null
  if (account === null || (account.waitingReason === reason && account.waitingDetail === detail)) return
  if (why !== null) context.logger.warn({ chainId: chain.chainId, reason }, why.detail)
  await inLease(pool, lease, (client) =>
    setWaitingReason(client, chain.chainId, signer.address, reason, detail),
  )
}

/** Stores why nothing moves at all: for every anchor in no block, and for batches that are due. */
export async function explainAll(context: AnchorContext, hindrance: Hindrance): Promise<void> {
  const { pool, lease, chain, memory } = context
  if (memory.due) await wait(context, hindrance)
  const unmined = (await openAnchors(pool, chain.chainId)).filter((anchor) => anchor.state !== 'mined')
  await inLease(pool, lease, async (client) => {
    for (const { id } of unmined) await setAnchorReason(client, id, hindrance.reason, hindrance.detail)
  })
}

/**
 * Stops signing for the account, durably, and raises the alarm once. Does nothing when the account was paused when it
 * was read, or an operator has resumed it since: what led here is then to be looked at anew.
 */
export async function pause(
  context: AnchorContext,
  account: Account,
  reason: PauseReason,
  detail: string,
): Promise<void> {
  if (account.pausedReason !== null) return
  const { chainId, address, resumedReason } = account
  const paused = await inLease(context.pool, context.lease, (client) =>
    pauseAccount(client, chainId, address, reason, detail, resumedReason),
  )
  if (!paused) return
  context.logger.error({ chainId, reason }, `anchoring is paused: ${detail}`)
  context.metrics.count('holdfast_anchor_paused_total', 1, { chain: String(chainId), reason })
  context.onEvent({ type: 'paused', chainId, address, reason, detail })
}
