/** What to do for an anchor whose transaction is in no block: send the stored bytes again, outbid them, or say why not. */
import type { Hindrance } from '../core/anchor-state.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Account } from '../store/chain/accounts.ts'
import type { Anchor } from '../store/chain/anchors.ts'
import type { Attempt } from '../store/chain/attempts.ts'
import type { AnchorContext } from './context.ts'
import { explain } from './explain.ts'
import { quoteFees, raiseOffer } from './fees/quote.ts'
import { spendingHindrance } from './fees/spending.ts'
import {
  olderKeyHindrance,
  overCapHindrance,
  pausedHindrance,
  refusalHindrance,
  stuckHindrance,
} from './hindrances.ts'
import { livingAttempts, type Sight } from './inspect.ts'
import { isEndpointFault } from './rpc/faults.ts'
import { classifyWording, type SendOutcome } from './rpc/send-outcome.ts'
import {
  MAX_GAS_DOUBLINGS,
  noopPayload,
  offerOf,
  outbid,
  type Payload,
  payloadOf,
  sendAttempt,
} from './submit.ts'

/** Bytes that no endpoint is known to have are not kept waiting. */
const UNSEEN_RESEND_MS = 2_000

/**
 * `submitted` and in no block, on a nonce that is not spent. Its reason afterwards is what holds it now; what held it
 * earlier is forgotten.
 * @param lost it was in a block until now, so that its bytes go out again at once
 * @throws what the endpoint and the signer throw when they fail in raising it, after the stored bytes were sent again
 *   if it was time
 */
export async function pushAnchor(
  context: AnchorContext,
  sight: Sight,
  account: Account,
  anchor: Anchor,
  attempts: readonly Attempt[],
  lost: boolean,
): Promise<void> {
  const living = livingAttempts(attempts)
  const newest = living.at(-1)
  if (newest === undefined) return
  let raise: { sent: SendOutcome } | { sent: null; hindrance: Hindrance | null }
  try {
    raise = await raiseNewest(context, sight, account, anchor, newest)
  } catch (error) {
    if (isEndpointFault(error) || isSignerFault(error)) await sendWhenDue(context, newest, lost)
    throw error
  }
  if (raise.sent !== null) return explain(context, anchor, refusalHindrance(raise.sent))
  const outcome = (await sendWhenDue(context, newest, lost)) ?? lastRefusal(newest)
  const hindrance = raise.hindrance ?? refusalHindrance(outcome) ?? stuckHindrance(context, anchor, living)
  await explain(context, anchor, hindrance)
}

/**
 * Sends the stored bytes when `now` is given, when they have waited for long enough, and once for every daemon that comes
 * to lead: the one before may have died before it could. Null when none of that is so.
 */
export async function sendWhenDue(
  context: AnchorContext,
  attempt: Attempt,
  now: boolean,
): Promise<SendOutcome | null> {
  const { clock, chain, memory } = context
  const afterMs =
    attempt.state === 'stored' ? Math.min(chain.resendAfterMs, UNSEEN_RESEND_MS) : chain.resendAfterMs
  const due = (attempt.sentAt?.getTime() ?? 0) + afterMs
  if (!now && memory.sent.has(attempt.anchorId) && clock.now() < due) return null
  memory.sent.add(attempt.anchorId)
  return sendAttempt(context, attempt)
}

/** What was said when it was sent last, where nobody took it: nothing newer is known until it is sent again. */
function lastRefusal(attempt: Attempt): SendOutcome | null {
  return attempt.state === 'refused' && attempt.error !== null ? classifyWording(attempt.error) : null
}

async function raiseNewest(
  context: AnchorContext,
  sight: Sight,
  account: Account,
  anchor: Anchor,
  newest: Attempt,
): Promise<{ sent: SendOutcome } | { sent: null; hindrance: Hindrance | null }> {
  const { chain, memory, signer } = context
  const wished = isTimeToRaise(context, sight, newest) || anchor.wish !== null
  if (newest.address !== signer.address) {
    return { sent: null, hindrance: wished ? olderKeyHindrance(context, newest) : null }
  }
  if (account.pausedReason !== null) return { sent: null, hindrance: pausedHindrance(account) }
  // However much it paid, nothing on this nonce could be mined.
  if (memory.nonceGap !== null) return { sent: null, hindrance: memory.nonceGap.hindrance }
  if (!wished) return { sent: null, hindrance: null }

  const kind = anchor.wish === 'cancel' ? 'noop' : newest.kind
  const payload = raisedPayload(anchor, kind, newest)
  const quote = await quoteFees(sight.ask, chain.fees)
  const offer = raiseOffer(offerOf(newest), quote.offer, chain.fees)
  if (offer === null) return { sent: null, hindrance: overCapHindrance(context, quote) }
  const hindrance = await spendingHindrance(context, sight, payload, offer)
  if (hindrance !== null) return { sent: null, hindrance }
  const { attempt, outcome } = await outbid(context, anchor, kind, newest.nonce, payload, offer)
  memory.firstSeenAtHead.set(attempt.id, sight.head)
  memory.sent.add(anchor.id)
  return { sent: outcome }
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

/** Never less gas than before, and twice as much where that was refused as too little. */
function raisedPayload(anchor: Anchor, kind: Attempt['kind'], newest: Attempt): Payload {
  const payload = kind === 'noop' ? noopPayload(newest.address) : payloadOf(anchor)
  if (kind !== newest.kind) return payload
  const refusal = lastRefusal(newest)
  const refusedForGas = refusal?.kind === 'refused' && refusal.reason === 'gas'
  const wanted = Math.max(payload.gasLimit, newest.gasLimit * (refusedForGas ? 2 : 1))
  return { ...payload, gasLimit: Math.min(wanted, payload.gasLimit * 2 ** MAX_GAS_DOUBLINGS) }
}

/** Stored bytes need no signer, and neither do other anchors. */
export function isSignerFault(error: unknown): boolean {
  return error instanceof HoldfastError && /^SIGNER_/.test(error.code)
}
