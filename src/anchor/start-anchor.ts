/** What to do for an anchor that has no living transaction: sign its first one, or say why not. */
import type { Hindrance } from '../core/anchor-state.ts'
import { counted } from '../core/counted.ts'
import { type Account, forgetResumed, readAccount } from '../store/chain/accounts.ts'
import { type Anchor, lastMinedAnchor } from '../store/chain/anchors.ts'
import type { Attempt } from '../store/chain/attempts.ts'
import { inLease } from '../store/connection/lease-transaction.ts'
import { withGas } from './call-gas.ts'
import { anotherChain, rootsUnknownHere } from './chain-identity.ts'
import type { AnchorContext } from './context.ts'
import { missingRegistryAdvice } from './contract/registry.ts'
import { explain, pause } from './explain.ts'
import { heedRefusal, quoteNow } from './fees/demands.ts'
import type { Offer } from './fees/quote.ts'
import { spendingHindrance } from './fees/spending.ts'
import { feeHindrance, pausedHindrance, refusalHindrance, tipHindrance } from './hindrances.ts'
import type { Sight } from './inspect.ts'
import { askOptional } from './optional.ts'
import { blockAt, hasCode, nonceAt } from './rpc/chain-reads.ts'
import { isGone, isSeenTwice } from './second-look.ts'
import { type Call, firstCall, type Payload, submitAnchor } from './submit.ts'

/** A registry call that failed is tried once more, with more gas where that was too little; then the account is paused. */
const MAX_REVERTS = 2

/**
 * What forbids to sign a first transaction now, or what to sign. Also asked before a root is fixed.
 * @param attempts what was signed for the same anchor before
 */
export async function signingHindrance(
  context: AnchorContext,
  sight: Sight,
  account: Account,
  call: Call,
  attempts: readonly Attempt[],
): Promise<{ hindrance: Hindrance } | { hindrance: null; payload: Payload; offer: Offer }> {
  const { chain, memory, registry } = context
  if (account.pausedReason !== null) return { hindrance: pausedHindrance(account) }
  const unfit =
    (await anotherChain(context, sight)) ?? (await lostBlock(context, sight)) ?? memory.nonceGap?.hindrance
  if (unfit !== undefined) return { hindrance: unfit }
  if (!memory.registrySeen) {
    const { endpoint, ask } = sight
    const seen = await askOptional(context, { endpoint, name: 'registry code' }, () => hasCode(ask, registry))
    memory.registrySeen = seen === true
    if (seen === false) {
      const detail = `There is no contract at ${registry} on chain ${chain.chainId}. ${missingRegistryAdvice(chain)}`
      return { hindrance: { reason: 'stuck', detail } }
    }
  }
  const chainNonce = await nonceAt(sight.ask, account.address, 'latest')
  if (chainNonce > account.nextNonce) {
    // A deployment sets its nonce aside before it is sent, and may have done so since the account was read.
    const now = await readAccount(context.pool, chain.chainId, account.address)
    if (now !== null && now.nextNonce >= chainNonce) {
      const detail = `A deployment with ${account.address} came meanwhile; the chain is looked at anew.`
      return { hindrance: { reason: 'stuck', detail } }
    }
    return { hindrance: await keyUsedElsewhere(context, sight, account, chainNonce) }
  }
  isGone(context, USED_ELSEWHERE)
  const gas = await withGas(context, sight, call, attempts)
  if (gas.hindrance !== null) return gas
  const quote = await quoteNow(context, sight)
  const { offer } = quote
  const { payload } = gas
  const hindrance = feeHindrance(context, quote) ?? (await spendingHindrance(context, sight, payload, offer))
  return hindrance === null ? { hindrance, payload, offer } : { hindrance }
}

const USED_ELSEWHERE = 'the key is used elsewhere'

async function keyUsedElsewhere(
  context: AnchorContext,
  sight: Sight,
  account: Account,
  chainNonce: number,
): Promise<Hindrance> {
  const { chainId, address, nextNonce } = account
  const found = `The chain holds ${chainNonce} transactions of ${address}, Holdfast signed ${nextNonce} of them.`
  if (!account.confirmed) {
    return { reason: 'stuck', detail: `${found} Nothing was signed yet: the first nonce follows the chain.` }
  }
  const isSeen = await isSeenTwice(
    context,
    sight,
    USED_ELSEWHERE,
    async (ask) => (await nonceAt(ask, address, 'latest')) > nextNonce,
  )
  if (!isSeen) {
    const detail = `${found} Another endpoint of chain ${chainId}, or another block, has to say so too.`
    return { reason: 'stuck', detail }
  }
  const unknown = await rootsUnknownHere(context, sight)
  const why = unknown
    ? `The chain holds ${counted(unknown, 'anchor')} by this key that this database does not: it was restored from an older backup, or another installation uses the key.`
    : 'Something else uses this key.'
  const detail = `${found} ${why}`
  await pause(context, account, 'key_used_elsewhere', detail)
  return { reason: 'paused', detail }
}

/** The chain must hold the block of the last anchor: on another one, what is signed now goes to waste. */
async function lostBlock({ pool, chain }: AnchorContext, sight: Sight): Promise<Hindrance | null> {
  const last = await lastMinedAnchor(pool, chain.chainId)
  if (last?.blockNumber == null) return null
  const block = last.blockNumber > sight.head ? null : await blockAt(sight.ask, last.blockNumber)
  if (block !== null && last.blockHash?.equals(block.hash)) return null
  const detail = `Anchor ${last.id} is in block ${last.blockNumber}, which chain ${chain.chainId} does not show at ${sight.endpoint} (newest block: ${sight.head}): the endpoint is behind, or the chain lost blocks. Nothing is signed meanwhile.`
  return { reason: 'stuck', detail }
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
    const detail = `Anchor ${anchor.id} failed in ${reverts} transactions, the last with ${gasOf(attempts.at(-1))}.`
    await pause(context, account, 'reverted', detail)
    return explain(context, anchor, { reason: 'paused', detail })
  }
  const check = await signingHindrance(
    context,
    sight,
    account,
    firstCall(context.chain, anchor.root),
    attempts,
  )
  if (check.hindrance !== null) return explain(context, anchor, check.hindrance)
  const { payload, offer } = check
  const { attempt, outcome } = await submitAnchor(context, anchor, account.nextNonce, payload, offer)
  context.memory.firstSeenAtHead.set(attempt.id, sight.head)
  context.memory.signedAtHead.set(attempt.id, sight.head)
  context.memory.sent.add(anchor.id)
  if (account.resumedReason !== null) {
    await inLease(context.pool, context.lease, (client) =>
      forgetResumed(client, account.chainId, account.address),
    )
  }
  if (outcome.kind === 'refused') {
    heedRefusal(context, { error: outcome.message, gasLimit: attempt.gasLimit, legacy: offer.legacy })
  }
  await explain(context, anchor, refusalHindrance(outcome) ?? tipHindrance(context))
}

function gasOf(attempt: Attempt | undefined): string {
  const used = attempt?.gasUsed == null ? '' : `, of which it used ${attempt.gasUsed}`
  return `${attempt?.gasLimit} gas${used}`
}
