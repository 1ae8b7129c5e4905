/** Where people look for why something does not move: written when it changed, and only under the lease. */
import type { AnchorReason, Hindrance } from '../core/anchor-state.ts'
import { pauseAccount, readAccount, setWaitingReason } from '../store/accounts.ts'
import { type Anchor, setAnchorReason } from '../store/anchors.ts'
import { inLease } from '../store/lease-transaction.ts'
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

/** Stops signing for the account, durably, and raises the alarm once. */
export async function pause(context: AnchorContext, reason: PauseReason, detail: string): Promise<void> {
  const { chain, signer } = context
  const paused = await inLease(context.pool, context.lease, (client) =>
    pauseAccount(client, chain.chainId, signer.address, reason, detail),
  )
  if (!paused) return
  context.logger.error({ chainId: chain.chainId, reason }, `anchoring is paused: ${detail}`)
  context.metrics.count('holdfast_anchor_paused_total', 1, { chain: String(chain.chainId), reason })
  context.onEvent({ type: 'paused', chainId: chain.chainId, address: signer.address, reason, detail })
}
