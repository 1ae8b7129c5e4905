/** Why something is not done now, as operators and auditors read it. */

import { formatUnits } from 'ethers'
import type { Hindrance } from '../core/anchor-state.ts'
import type { ChainConfig } from '../core/chain-config.ts'
import type { Account } from '../store/chain/accounts.ts'
import type { Anchor } from '../store/chain/anchors.ts'
import type { Attempt } from '../store/chain/attempts.ts'
import type { AnchorContext } from './context.ts'
import type { Quote } from './fees/quote.ts'
import type { SendOutcome } from './rpc/send-outcome.ts'

export const WAITS_FOR_PREVIOUS: Hindrance = {
  reason: 'backlog',
  detail: 'The previous anchor is in no block yet; what waits is anchored next.',
}

export function pausedHindrance(account: Account): Hindrance {
  return { reason: 'paused', detail: `${account.pausedReason}: ${account.pausedDetail}` }
}

/** The limits forbid what the next block or the node takes; null when they do not. */
export function feeHindrance(
  { chain }: AnchorContext,
  { forbidden, overCap, price }: Quote,
): Hindrance | null {
  const { chainId, fees } = chain
  if (forbidden !== null) {
    const what = forbidden.limit === 'maxTipGwei' ? 'a tip of' : 'a price of'
    const detail = `Chain ${chainId} takes no transaction with less than ${what} ${gwei(forbidden.wanted)} gwei a gas unit; fees.${forbidden.limit} is ${fees[forbidden.limit]}.`
    return { reason: 'fee_cap', detail }
  }
  return overCap ? overCapHindrance(chain, price) : null
}

/** No raise that nodes take is within the limits. */
export function noRaiseHindrance(context: AnchorContext, { price }: Quote): Hindrance {
  return tipHindrance(context) ?? overCapHindrance(context.chain, price)
}

function overCapHindrance({ chainId, fees }: ChainConfig, price: bigint): Hindrance {
  return {
    reason: 'fee_cap',
    detail: `Chain ${chainId} asks ${gwei(price)} gwei a gas unit; the limits are ${fees.maxFeePerGasGwei} gwei and a tip of ${fees.maxTipGwei}.`,
  }
}

/** Recent blocks took a higher tip than the limit lets us offer: what is sent may wait for long. */
export function tipHindrance({ chain, memory }: AnchorContext): Hindrance | null {
  const { tipOverLimit } = memory.fees
  if (tipOverLimit === null) return null
  const detail = `Recent blocks of chain ${chain.chainId} took a tip of ${gwei(tipOverLimit)} gwei a gas unit; fees.maxTipGwei is ${chain.fees.maxTipGwei}.`
  return { reason: 'fee_cap', detail }
}

function gwei(wei: bigint): string {
  return formatUnits(wei, 'gwei').replace(/\.0$/, '')
}

export function refusalHindrance(outcome: SendOutcome | null): Hindrance | null {
  if (outcome?.kind !== 'refused') return null
  const { reason, message } = outcome
  if (reason === 'nonce_low') return null
  if (reason === 'funds') return { reason: 'no_funds', detail: `Refused for lack of funds: ${message}` }
  return { reason: 'stuck', detail: `Refused by every endpoint (${reason}): ${message}` }
}

export function olderKeyHindrance({ signer }: AnchorContext, newest: Attempt): Hindrance {
  return {
    reason: 'stuck',
    detail: `Signed by ${newest.address}, an older key than the configured ${signer.address}, which cannot outbid or cancel it. Its bytes are sent again. Should it stay out of blocks, configure the older key until it is mined, or spend nonce ${newest.nonce} of it: then the configured key signs anew.`,
  }
}

/** The part of the time allowed for anchoring that is left when an anchor in no block is called stuck. */
const DEADLINE_MARGIN = 0.2

/**
 * In no block after two raises' time, or shortly before the deadline when that comes first. A deadline that was near or
 * past when the first transaction was signed says nothing of that transaction.
 */
export function stuckHindrance(
  { chain, clock }: AnchorContext,
  anchor: Anchor,
  living: readonly Attempt[],
): Hindrance | null {
  const signedAt = living[0]!.createdAt.getTime()
  const { bumpAfterMs } = chain.fees
  const deadlineNears = anchor.anchorBy.getTime() - DEADLINE_MARGIN * chain.anchorWithinMs
  const earliest = signedAt + Math.min(bumpAfterMs, chain.anchorWithinMs / 2)
  if (clock.now() < Math.max(earliest, Math.min(signedAt + 2 * bumpAfterMs, deadlineNears))) return null
  const count = living.length === 1 ? 'one transaction' : `${living.length} transactions at rising fees`
  return {
    reason: 'stuck',
    detail: `In no block yet, after ${count}; it ${clock.now() < anchor.anchorBy.getTime() ? 'is' : 'was'} to be anchored by ${anchor.anchorBy.toISOString()}.`,
  }
}
