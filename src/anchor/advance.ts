/** What to do for an anchor that is not in a block: sign its first transaction, send again, outbid, or say why not. */
import type { AnchorReason } from '../core/anchor-state.ts'
import { type Account, forgetResumed, pauseAccount } from '../store/accounts.ts'
import { type Anchor, regressToPrepared, setAnchorReason } from '../store/anchors.ts'
import { type Attempt, supersede } from '../store/attempts.ts'
import { inLease } from '../store/lease-transaction.ts'
import { hasCode, nonceAt, receiptOf } from './chain-reads.ts'
import type { AnchorContext, PauseReason } from './context.ts'
import { type Offer, type Quote, quoteFees, raiseOffer } from './fees.ts'
import { livingAttempts, type Sight } from './inspect.ts'
import type { SendOutcome } from './send-outcome.ts'
import { type Hindrance, spendingHindrance } from './spending.ts'
import {
  firstPayload,
  noopPayload,
  offerOf,
  outbid,
  type Payload,
  payloadOf,
  sendAttempt,
  submitAnchor,
} from './submit.ts'

/** A registry call that failed is tried with twice the gas; failing again, the account is paused. */
const MAX_REVERTS = 2
const MAX_DOUBLINGS = 3
const UNSEEN_RESEND_MS = 2_000

/** What forbids to sign a first transaction now; null when nothing does. Also asked before a root is fixed. */
export async function signingHindrance(
  context: AnchorContext,
  sight: Sight,
  account: Account,
  payload: Payload,
): Promise<{ hindrance: Hindrance } | { hindrance: null; quote: Quote }> {
  const { chain, memory, registry } = context
  if (account.pausedReason !== null) return { hindrance: pausedHindrance(account) }
  if (!memory.registrySeen) {
    memory.registrySeen = await hasCode(sight.ask, registry)
    if (!memory.registrySeen) {
      const detail = `There is no contract at ${registry} on chain ${chain.chainId}. Run \`holdfast deploy\`.`
      return { hindrance: { reason: 'stuck', detail } }
    }
  }
  const chainNonce = await nonceAt(sight.ask, account.address, 'latest')
  if (chainNonce > account.nextNonce) {
    const detail = `The chain holds ${chainNonce} transactions of ${account.address}, Holdfast signed ${account.nextNonce} of them. Something else uses this key.`
    await pause(context, 'key_used_elsewhere', detail)
    return { hindrance: { reason: 'paused', detail } }
  }
  const quote = await quoteFees(sight.ask, chain.fees)
  if (quote.overCap) return { hindrance: overCapHindrance(context, quote) }
  const hindrance = await spendingHindrance(context, sight, payload, quote.offer)
  return hindrance === null ? { hindrance, quote } : { hindrance }
}

/** `prepared`: signs and sends, or says why not. */
export async function startAnchor(
  context: AnchorContext,
  sight: Sight,
  account: Account,
  anchor: Anchor,
  attempts: readonly Attempt[],
): Promise<void> {
  const reverts = attempts.filter((attempt) => attempt.state === 'reverted').length
  if (reverts >= MAX_REVERTS && account.pausedReason === null && account.resumedReason !== 'reverted') {
    const detail = `Anchor ${anchor.id} failed in ${reverts} transactions, the last with ${attempts.at(-1)?.gasLimit} gas.`
    await pause(context, 'reverted', detail)
    return explain(context, anchor, { reason: 'paused', detail })
  }
  const factor = 2 ** Math.min(reverts, MAX_DOUBLINGS)
  const payload = firstPayload(context.chain, anchor.root, factor)
  const check = await signingHindrance(context, sight, account, payload)
  if (check.hindrance !== null) return explain(context, anchor, check.hindrance)
  const { offer } = check.quote
  const { attempt, outcome } = await submitAnchor(context, anchor, account.nextNonce, offer, factor)
  context.memory.firstSeenAtHead.set(attempt.id, sight.head)
  noteOutcome(context, anchor, attempt, outcome)
  if (account.resumedReason !== null) {
    await inLease(context.pool, context.lease, (client) =>
      forgetResumed(client, account.chainId, account.address),
    )
  }
  await explain(context, anchor, refusalHindrance(outcome))
}

/** `submitted` and in no block: sends the stored bytes again, outbids them, or says what holds them. */
export async function pushAnchor(
  context: AnchorContext,
  sight: Sight,
  account: Account,
  anchor: Anchor,
  attempts: readonly Attempt[],
  now: { sendAgain: boolean; nonceSpent: boolean },
): Promise<void> {
  const living = livingAttempts(attempts)
  const newest = living.at(-1)
  if (newest === undefined) return
  if (now.nonceSpent) return nonceIsSpent(context, sight, account, anchor, living)
  context.memory.spentAtHead.delete(anchor.id)

  const kind = anchor.wish === 'cancel' ? 'noop' : newest.kind
  const payload =
    kind === 'noop'
      ? noopPayload(newest.address)
      : { ...payloadOf(anchor), gasLimit: Math.max(newest.gasLimit, payloadOf(anchor).gasLimit) }
  const raise = await raiseFor(context, sight, account, anchor, newest, payload)
  if (raise.offer !== null) {
    const { attempt, outcome } = await outbid(context, anchor, kind, newest.nonce, payload, raise.offer)
    context.memory.firstSeenAtHead.set(attempt.id, sight.head)
    noteOutcome(context, anchor, attempt, outcome)
    return explain(context, anchor, refusalHindrance(outcome))
  }
  const { clock, chain } = context
  // Bytes that no endpoint is known to have are not kept waiting.
  const resendAfterMs =
    newest.state === 'stored' ? Math.min(chain.resendAfterMs, UNSEEN_RESEND_MS) : chain.resendAfterMs
  const resendAt = (newest.sentAt?.getTime() ?? 0) + resendAfterMs
  let outcome: SendOutcome | null = null
  if (now.sendAgain || clock.now() >= resendAt) {
    outcome = await sendAttempt(context, newest)
    noteOutcome(context, anchor, newest, outcome)
  }
  const hindrance = raise.hindrance ?? refusalHindrance(outcome) ?? stuckHindrance(context, anchor, living)
  // Between two sendings nothing new is known of why the last one was refused.
  if (hindrance !== null || outcome?.kind === 'accepted' || isPast(anchor.reason)) {
    await explain(context, anchor, hindrance)
  }
}

async function raiseFor(
  context: AnchorContext,
  sight: Sight,
  account: Account,
  anchor: Anchor,
  newest: Attempt,
  payload: Payload,
): Promise<{ offer: Offer; hindrance: null } | { offer: null; hindrance: Hindrance | null }> {
  const { chain, clock, memory, signer } = context
  if (account.pausedReason !== null) return { offer: null, hindrance: pausedHindrance(account) }
  const firstSeen = memory.firstSeenAtHead.get(newest.id) ?? sight.head
  memory.firstSeenAtHead.set(newest.id, firstSeen)
  const waitedMs = clock.now() - newest.createdAt.getTime()
  const ripe = waitedMs >= chain.fees.bumpAfterMs && sight.head > firstSeen
  if (!(ripe || anchor.wish !== null) || newest.address !== signer.address)
    return { offer: null, hindrance: null }

  const quote = await quoteFees(sight.ask, chain.fees)
  const offer = raiseOffer(offerOf(newest), quote.offer, chain.fees)
  if (offer === null) return { offer: null, hindrance: overCapHindrance(context, quote) }
  const hindrance = await spendingHindrance(context, sight, payload, offer)
  return hindrance === null ? { offer, hindrance } : { offer: null, hindrance }
}

/**
 * The account is past the nonce, and no attempt has a receipt. That may be an endpoint that lags; it is another
 * transaction of the same key once the block that showed it is final and every endpoint has been asked.
 */
async function nonceIsSpent(
  context: AnchorContext,
  sight: Sight,
  account: Account,
  anchor: Anchor,
  living: readonly Attempt[],
): Promise<void> {
  const { memory } = context
  const since = memory.spentAtHead.get(anchor.id) ?? sight.head
  memory.spentAtHead.set(anchor.id, since)
  const nonce = living[0]!.nonce
  if (sight.finalized < since) {
    const detail = `Nonce ${nonce} is spent, but on none of the ${living.length} known transactions; waiting until that is final.`
    return explain(context, anchor, { reason: 'stuck', detail })
  }
  for (const view of await context.endpoints.views()) {
    for (const attempt of living) if ((await receiptOf(view.ask, attempt.hash)) !== null) return
  }
  if (account.resumedReason === 'key_used_elsewhere') {
    memory.spentAtHead.delete(anchor.id)
    // An operator knows of it: the anchor gets another nonce, and this one's bytes can never be mined.
    return inLease(context.pool, context.lease, async (client) => {
      await supersede(client, anchor.id)
      await regressToPrepared(client, anchor.id)
    })
  }
  const detail = `Nonce ${nonce} of ${living[0]!.address} was spent on a transaction that Holdfast did not sign.`
  await pause(context, 'key_used_elsewhere', detail)
  await explain(context, anchor, { reason: 'paused', detail })
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

export function pausedHindrance(account: Account): Hindrance {
  return { reason: 'paused', detail: `${account.pausedReason}: ${account.pausedDetail}` }
}

function overCapHindrance({ chain }: AnchorContext, quote: Quote): Hindrance {
  const gwei = Number(quote.price) / 1e9
  return {
    reason: 'fee_cap',
    detail: `Chain ${chain.chainId} asks ${gwei} gwei a gas unit; the limits are ${chain.fees.maxFeePerGasGwei} gwei and a tip of ${chain.fees.maxTipGwei}.`,
  }
}

function refusalHindrance(outcome: SendOutcome | null): Hindrance | null {
  if (outcome?.kind !== 'refused') return null
  const { reason, message } = outcome
  if (reason === 'nonce_low') return null
  if (reason === 'funds') return { reason: 'no_funds', detail: `Refused for lack of funds: ${message}` }
  return { reason: 'stuck', detail: `Refused by every endpoint (${reason}): ${message}` }
}

/** Two raises' time without a block that takes it. */
function stuckHindrance(
  { chain, clock }: AnchorContext,
  anchor: Anchor,
  living: readonly Attempt[],
): Hindrance | null {
  const waitedMs = clock.now() - living[0]!.createdAt.getTime()
  if (waitedMs < 2 * chain.fees.bumpAfterMs) return null
  // What is known of it is better than what is not.
  if (anchor.reason !== null && anchor.detail !== null)
    return { reason: anchor.reason, detail: anchor.detail }
  return { reason: 'stuck', detail: `Sent ${living.length} times at rising fees and in no block yet.` }
}

/** Reasons that no longer hold once an endpoint was reached and the account may sign. */
function isPast(reason: AnchorReason | null): boolean {
  return reason === 'rpc_down' || reason === 'paused'
}

function noteOutcome(context: AnchorContext, anchor: Anchor, attempt: Attempt, outcome: SendOutcome): void {
  const { chain, logger, metrics } = context
  metrics.count('holdfast_anchor_sends_total', 1, { chain: String(chain.chainId), outcome: outcome.kind })
  const fields = { chainId: chain.chainId, anchorId: anchor.id, nonce: attempt.nonce, outcome }
  if (outcome.kind === 'accepted') logger.info(fields, 'anchor transaction sent')
  else logger.warn(fields, 'anchor transaction not accepted')
}
