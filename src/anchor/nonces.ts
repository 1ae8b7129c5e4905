/** What to do when the chain's count of the account's transactions is not what Holdfast's own says it must be. */
import type { Hindrance } from '../core/anchor-state.ts'
import { toHex } from '../core/hash.ts'
import { type Account, skipNonces } from '../store/chain/accounts.ts'
import { type Anchor, regressToPrepared } from '../store/chain/anchors.ts'
import {
  type Attempt,
  type AttemptOnNonce,
  attemptsOnNonces,
  hasMined,
  supersede,
} from '../store/chain/attempts.ts'
import { inLease } from '../store/connection/lease-transaction.ts'
import type { AnchorContext } from './context.ts'
import { explain, pause } from './explain.ts'
import type { Sight } from './inspect.ts'
import { orNull } from './optional.ts'
import { nonceAt, receiptOf } from './rpc/chain-reads.ts'
import { ContradictedAnswerError, isEndpointFault } from './rpc/faults.ts'
import { classifyWording } from './rpc/send-outcome.ts'
import { sendAttempt } from './submit.ts'

/**
 * The account is past the nonce, and no attempt has a receipt. That may be an endpoint that lags; it is another
 * transaction of the same key once the block that showed it is final and every endpoint has been asked. Then signing
 * is paused, unless the key is one that is not used any more: the anchor is free for the configured one.
 * @throws ContradictedAnswerError when another endpoint has the receipt
 */
export async function nonceIsSpent(
  context: AnchorContext,
  sight: Sight,
  account: Account,
  anchor: Anchor,
  living: readonly Attempt[],
): Promise<void> {
  const { memory } = context
  const since = memory.spentAtHead.get(anchor.id) ?? sight.head
  memory.spentAtHead.set(anchor.id, since)
  const { nonce, address } = living[0]!
  const neverTaken = await wasNeverTaken(context, living)
  if (neverTaken && (await wasSpentBefore(context, sight, living)))
    return free(context, sight, anchor, living)
  // Where every block is final at once, a second one has to show it all the same.
  if (sight.finalized < since || sight.head === since) {
    const detail = `Nonce ${nonce} is spent, but on none of the ${living.length} known transactions; waiting until that is final.`
    return explain(context, anchor, { reason: 'stuck', detail })
  }
  await requireNoReceiptElsewhere(context, sight, living)
  const detail = `Nonce ${nonce} of ${address} was spent on a transaction that Holdfast did not sign.`
  const isOlderKey = address !== account.address
  if (!isOlderKey && !neverTaken && account.resumedReason !== 'key_used_elsewhere') {
    await pause(context, account, 'key_used_elsewhere', detail)
    return explain(context, anchor, { reason: 'paused', detail })
  }
  await free(context, sight, anchor, living)
}

/** The bytes on this nonce can never be mined: the anchor gets another one. */
async function free(
  context: AnchorContext,
  sight: Sight,
  anchor: Anchor,
  living: readonly Attempt[],
): Promise<void> {
  const { memory, logger, pool, lease } = context
  const { nonce, address, chainId } = living[0]!
  const chainNonce = await nonceAt(sight.ask, address, 'latest')
  logger.warn(
    { anchorId: anchor.id, nonce, address, chainNonce },
    'the nonce is spent: the anchor gets another one',
  )
  memory.spentAtHead.delete(anchor.id)
  await inLease(pool, lease, async (client) => {
    await supersede(client, anchor.id)
    await regressToPrepared(client, anchor.id)
    await skipNonces(client, chainId, address, chainNonce)
  })
}

/**
 * Whether the account began at a nonce that was spent by then, as a node that lags tells it: the first that was signed
 * with it was refused for that by every node, once and for all.
 */
async function wasNeverTaken({ pool }: AnchorContext, living: readonly Attempt[]): Promise<boolean> {
  const isRefused = ({ state, sendCount, error }: Attempt) => {
    const outcome = state === 'refused' && sendCount === 1 && error !== null ? classifyWording(error) : null
    return outcome?.kind === 'refused' && outcome.reason === 'nonce_low'
  }
  return living.every(isRefused) && !(await hasMined(pool, living[0]!))
}

/** Whether the nonce was spent in blocks from before the first of these was signed. False where that is not known. */
async function wasSpentBefore(
  { memory }: AnchorContext,
  sight: Sight,
  living: readonly Attempt[],
): Promise<boolean> {
  const { id, address, nonce } = living[0]!
  const head = memory.signedAtHead.get(id)
  if (head === undefined) return false
  const spent = await orNull(nonceAt(sight.ask, address, head))
  return spent !== null && spent > nonce
}

async function requireNoReceiptElsewhere(
  context: AnchorContext,
  sight: Sight,
  living: readonly Attempt[],
): Promise<void> {
  for (const view of await context.endpoints.views()) {
    try {
      for (const { hash } of living) {
        if ((await receiptOf(view.ask, hash)) === null) continue
        throw new ContradictedAnswerError(
          `${sight.endpoint} does not show the receipt of ${toHex(hash)}, which ${view.endpoint} has`,
        )
      }
    } catch (error) {
      if (error instanceof ContradictedAnswerError || !isEndpointFault(error)) throw error
      view.lookFailed(error)
    }
  }
}

/** How many missing transactions are sent at a time; nodes keep few that have to wait for others. */
const REFILL = 16

/**
 * Looks whether the chain waits for a nonce that was used up here and that no anchor under way is on, as after a reset,
 * or when a transaction that a nonce was set aside for never came. Nothing on a higher nonce could be mined. The stored
 * bytes of such nonces are sent again on the timer; where there are none, the account is paused once it is final that
 * they are missing. What holds up signing is left in `memory.nonceGap`.
 */
export async function lookForNonceGap(context: AnchorContext, sight: Sight, account: Account): Promise<void> {
  const { pool, chain, memory, clock } = context
  const nonce = await nonceAt(sight.ask, account.address, 'latest')
  const end = Math.min(account.nextNonce, nonce + REFILL)
  const stored = nonce < end ? await attemptsOnNonces(pool, account, nonce, end) : []
  const wanted = stored.filter((attempt) => attempt.nonce === nonce)
  if (nonce >= end || wanted.some((attempt) => attempt.followed)) {
    memory.nonceGap = null
    return
  }
  const known = memory.nonceGap?.nonce === nonce ? memory.nonceGap : null
  const gap = { nonce, sinceHead: known?.sinceHead ?? sight.head, sentAt: known?.sentAt ?? null }
  const found = `Chain ${chain.chainId} takes nonce ${nonce} of ${account.address} next, but Holdfast has used up all below ${account.nextNonce}.`
  if (wanted.length === 0) {
    memory.nonceGap = { ...gap, hindrance: await withoutBytes(context, sight, account, gap.sinceHead, found) }
    return
  }
  if (gap.sentAt === null || clock.now() >= gap.sentAt + chain.resendAfterMs) {
    gap.sentAt = clock.now()
    for (const attempt of onePerNonce(stored)) await sendAttempt(context, attempt)
  }
  const detail = `${found} The chain was reset or lost blocks; the stored bytes of what is missing are sent again.`
  memory.nonceGap = { ...gap, hindrance: { reason: 'stuck', detail } }
}

async function withoutBytes(
  context: AnchorContext,
  sight: Sight,
  account: Account,
  sinceHead: number,
  found: string,
): Promise<Hindrance> {
  const detail = `${found} What it is missing is not Holdfast's to send: put any transaction on that nonce, then resume.`
  if (sight.finalized < sinceHead || sight.head === sinceHead) return { reason: 'stuck', detail }
  await pause(context, account, 'nonce_gap', detail)
  return { reason: 'paused', detail }
}

/** Of the attempts on a nonce the one that was in a block, or else the newest. */
function onePerNonce(stored: readonly AttemptOnNonce[]): Attempt[] {
  const chosen = new Map<number, Attempt>()
  for (const attempt of stored) {
    const before = chosen.get(attempt.nonce)
    if (before?.state !== 'mined' && before?.state !== 'reverted') chosen.set(attempt.nonce, attempt)
  }
  return [...chosen.values()]
}
