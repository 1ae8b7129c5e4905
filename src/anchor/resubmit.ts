/**
 * In: the newest transaction of an anchor that is in no block. Out: another one on its nonce, dearer where it was kept
 * out by its fees, or mended where every node refused it; or why there is none.
 */
import type { Hindrance } from '../core/anchor-state.ts'
import type { Account } from '../store/chain/accounts.ts'
import type { Anchor } from '../store/chain/anchors.ts'
import type { Attempt } from '../store/chain/attempts.ts'
import { refusedForGas, withGas } from './call-gas.ts'
import type { AnchorContext } from './context.ts'
import { heedRefusal, quoteNow } from './fees/demands.ts'
import { type Offer, offerAnew, raiseOffer } from './fees/quote.ts'
import { demandOf } from './fees/refusal.ts'
import { spendingHindrance } from './fees/spending.ts'
import { feeHindrance, noRaiseHindrance, olderKeyHindrance, pausedHindrance } from './hindrances.ts'
import type { Sight } from './inspect.ts'
import { classifyWording, type SendOutcome } from './rpc/send-outcome.ts'
import { callOf, offerOf, outbid, type Payload } from './submit.ts'

export type Resubmission = { sent: SendOutcome } | { sent: null; hindrance: Hindrance | null }

const NOT_DUE: Resubmission = { sent: null, hindrance: null }

/** @throws what the endpoint and the signer throw; LEASE_LOST */
export async function resubmit(
  context: AnchorContext,
  sight: Sight,
  account: Account,
  anchor: Anchor,
  attempts: readonly Attempt[],
  newest: Attempt,
): Promise<Resubmission> {
  const { memory, signer } = context
  const last = offerOf(newest)
  const isDue = isTimeToRaise(context, sight, newest) || anchor.wish !== null
  const isMendable = canBeMended(newest, last)
  // Sent more than once, somebody may have it all the same: then it has to be outbid, when it is time.
  const mends = isMendable && newest.sendCount === 1
  if (newest.address !== signer.address) {
    return { sent: null, hindrance: isDue ? olderKeyHindrance(context, newest) : null }
  }
  if (account.pausedReason !== null) return { sent: null, hindrance: pausedHindrance(account) }
  // However much it paid, nothing on this nonce could be mined.
  if (memory.nonceGap !== null) return { sent: null, hindrance: memory.nonceGap.hindrance }
  if (!isDue && !mends) return NOT_DUE
  if (newest.error !== null && isMendable) {
    heedRefusal(context, { error: newest.error, gasLimit: newest.gasLimit, legacy: last.legacy })
  }
  const kind = anchor.wish === 'cancel' ? 'noop' : newest.kind
  const gas = await payloadOf(context, sight, anchor, attempts, newest, kind)
  if (gas.hindrance !== null) return { sent: null, hindrance: gas.hindrance }
  const quote = await quoteNow(context, sight)
  const { payload } = gas
  const blocked = mends ? feeHindrance(context, quote) : null
  if (blocked !== null) return { sent: null, hindrance: blocked }
  const offer = offerFor(context, newest, payload, last, quote.offer, { anew: mends, isDue })
  if (offer === 'same') return NOT_DUE
  if (offer === null) {
    return { sent: null, hindrance: feeHindrance(context, quote) ?? noRaiseHindrance(context, quote) }
  }
  const hindrance = await spendingHindrance(context, sight, payload, offer)
  if (hindrance !== null) return { sent: null, hindrance }
  const { attempt, outcome } = await outbid(context, anchor, kind, newest.nonce, payload, offer)
  memory.firstSeenAtHead.set(attempt.id, sight.head)
  memory.sent.add(anchor.id)
  return { sent: outcome }
}

/** Null where the limits leave no room for a raise; `same` where nothing would be better than what was signed. */
function offerFor(
  { chain }: AnchorContext,
  newest: Attempt,
  payload: Payload,
  last: Offer,
  now: Offer,
  how: { anew: boolean; isDue: boolean },
): Offer | null | 'same' {
  if (!how.anew) return raiseOffer(last, now, chain.fees)
  const offer = offerAnew(last, now, chain.fees, isUnnamed(newest))
  if (!isSame(offer, last) || payload.gasLimit !== newest.gasLimit) return offer
  return how.isDue ? raiseOffer(last, now, chain.fees) : 'same'
}

/** What was said when it was sent last, where nobody took it: nothing newer is known until it is sent again. */
export function lastRefusal(attempt: Attempt): SendOutcome | null {
  return attempt.state === 'refused' && attempt.error !== null ? classifyWording(attempt.error) : null
}

function isUnderpriced(attempt: Attempt): boolean {
  const refusal = lastRefusal(attempt)
  return refusal?.kind === 'refused' && refusal.reason === 'underpriced'
}

/** Whether it was refused as too cheap by a node that does not say how much it wants. */
function isUnnamed(attempt: Attempt): boolean {
  const { tip, price, cap } = demandOf(attempt.error ?? '', attempt.gasLimit)
  return isUnderpriced(attempt) && tip === null && price === null && cap === null
}

/** Whether every node refused it for what another transaction can do better; then nothing is waited for. */
function canBeMended(newest: Attempt, { legacy }: Offer): boolean {
  if (newest.state !== 'refused' || newest.error === null) return false
  const { gas, legacyOnly } = demandOf(newest.error, newest.gasLimit)
  return gas !== null || (legacyOnly && !legacy) || isUnderpriced(newest)
}

/** Long enough ago in time and a block since, for without blocks a raise is in vain; or enough blocks ago. */
function isTimeToRaise({ chain, clock, memory }: AnchorContext, sight: Sight, newest: Attempt): boolean {
  const { bumpAfterMs, bumpAfterBlocks } = chain.fees
  const firstSeen = memory.firstSeenAtHead.get(newest.id) ?? sight.head
  memory.firstSeenAtHead.set(newest.id, firstSeen)
  const blocks = sight.head - firstSeen
  if (bumpAfterBlocks !== undefined && blocks >= bumpAfterBlocks) return true
  return blocks > 0 && clock.now() - newest.createdAt.getTime() >= bumpAfterMs
}

/** As much gas as before, for a no-op needs less than an anchor; chosen anew where that was refused. */
async function payloadOf(
  context: AnchorContext,
  sight: Sight,
  anchor: Anchor,
  attempts: readonly Attempt[],
  newest: Attempt,
  kind: Attempt['kind'],
): Promise<{ payload: Payload; hindrance: null } | { hindrance: Hindrance }> {
  const { gasLimit } = newest
  const refused = refusedForGas(newest)
  if (kind === 'anchor') {
    const call = callOf(anchor)
    if (refused !== null) return withGas(context, sight, call, attempts)
    return { payload: { ...call, gasLimit }, hindrance: null }
  }
  const { maxGas } = context.chain
  const raised = refused === 'low' ? Math.min(gasLimit * 2, Math.max(maxGas, gasLimit)) : gasLimit
  return { payload: { to: newest.address, data: '0x', gasLimit: raised }, hindrance: null }
}

function isSame(offer: Offer, last: Offer): boolean {
  return (
    offer.legacy === last.legacy &&
    offer.maxFeePerGas === last.maxFeePerGas &&
    offer.maxPriorityFeePerGas === last.maxPriorityFeePerGas
  )
}
