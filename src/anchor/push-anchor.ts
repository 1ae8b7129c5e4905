/** What to do for an anchor whose transaction is in no block: send the stored bytes again, outbid them, or say why not. */
import { HoldfastError } from '../core/errors.ts'
import type { Account } from '../store/chain/accounts.ts'
import type { Anchor } from '../store/chain/anchors.ts'
import type { Attempt } from '../store/chain/attempts.ts'
import type { AnchorContext } from './context.ts'
import { explain } from './explain.ts'
import { refusalHindrance, stuckHindrance, tipHindrance } from './hindrances.ts'
import { livingAttempts, type Sight } from './inspect.ts'
import { lastRefusal, type Resubmission, resubmit } from './resubmit.ts'
import { isEndpointFault } from './rpc/faults.ts'
import type { SendOutcome } from './rpc/send-outcome.ts'
import { sendAttempt } from './submit.ts'

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
  let raise: Resubmission
  try {
    raise = await resubmit(context, sight, account, anchor, attempts, newest)
  } catch (error) {
    if (isEndpointFault(error) || isSignerFault(error)) await sendWhenDue(context, newest, lost)
    throw error
  }
  if (raise.sent !== null) return explain(context, anchor, refusalHindrance(raise.sent))
  const outcome = (await sendWhenDue(context, newest, lost)) ?? lastRefusal(newest)
  const hindrance =
    raise.hindrance ??
    refusalHindrance(outcome) ??
    tipHindrance(context) ??
    stuckHindrance(context, anchor, living)
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

/** Stored bytes need no signer, and neither do other anchors. */
export function isSignerFault(error: unknown): boolean {
  return error instanceof HoldfastError && /^SIGNER_/.test(error.code)
}
