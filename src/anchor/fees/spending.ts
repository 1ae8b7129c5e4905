import { formatEther, parseEther } from 'ethers'
import type { Hindrance } from '../../core/anchor-state.ts'
import { dailyFees, feesPaidSince } from '../../store/chain/attempts.ts'
import type { AnchorContext } from '../context.ts'
import type { Sight } from '../inspect.ts'
import { askOptional, countOptional } from '../optional.ts'
import { balanceOf } from '../rpc/chain-reads.ts'
import type { Payload } from '../submit.ts'
import { dataFeeOf } from './data-fee.ts'
import type { Offer } from './quote.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** Whether the account can pay for the transaction at worst, and may by the daily limit. Null when nothing hinders. */
export async function spendingHindrance(
  context: AnchorContext,
  sight: Sight,
  payload: Payload,
  offer: Offer,
): Promise<Hindrance | null> {
  const { chain, signer, memory } = context
  const { endpoint, ask } = sight
  const dataFee = await askOptional(context, { endpoint, name: 'data fee' }, () =>
    dataFeeOf(ask, payload, memory),
  )
  const worst = BigInt(payload.gasLimit) * offer.maxFeePerGas + (dataFee ?? 0n)
  const balance = await balanceSeen(context, sight)
  // Where the balance is not told, the node says itself that it is too low, when it gets the bytes.
  if (balance !== null && balance < worst) {
    return {
      reason: 'no_funds',
      detail: `${signer.address} holds ${formatEther(balance)} on chain ${chain.chainId}; the next transaction may cost up to ${formatEther(worst)}. Send it funds.`,
    }
  }
  return dailyLimitHindrance(context, worst)
}

/**
 * The signer's balance in wei, as of at most `maxAgeMs` ago; null where the endpoint does not tell it.
 */
export async function balanceSeen(
  context: AnchorContext,
  { endpoint, ask }: Sight,
  maxAgeMs = 0,
): Promise<bigint | null> {
  const { memory, clock, signer } = context
  if (memory.balance !== null && clock.now() - memory.balance.at < maxAgeMs) return memory.balance.wei
  const wei = await askOptional(context, { endpoint, name: 'balance' }, () => balanceOf(ask, signer.address))
  memory.balance = wei === null ? null : { wei, at: clock.now() }
  return wei
}

async function dailyLimitHindrance(context: AnchorContext, worst: bigint): Promise<Hindrance | null> {
  const { chain, signer, pool } = context
  if (chain.dailySpendLimitEth === undefined) return null
  const limit = parseEther(chain.dailySpendLimitEth)
  const since = new Date(context.clock.now() - DAY_MS)
  const paid = await feesPaidSince(pool, chain.chainId, signer.address, since)
  if (paid + worst <= limit) return null
  const detail = `${formatEther(paid)} was spent in the last 24 hours and the next transaction may cost up to ${formatEther(worst)}; the daily limit is ${chain.dailySpendLimitEth}.`
  if (chain.spendPolicy === 'alarm') {
    context.metrics.count('holdfast_daily_limit_passed_total', 1, { chain: String(chain.chainId) })
    context.logger.error({ chainId: chain.chainId }, `going on over the daily spend limit: ${detail}`)
    return null
  }
  return { reason: 'fee_cap', detail }
}

const FORECAST_OVER_DAYS = 7
const FORECAST_EVERY_MS = 60_000

/** How many days the balance lasts at the pace of the last week; null while nothing was paid, or either is not known. */
export async function balanceDays(context: AnchorContext, balance: bigint | null): Promise<number | null> {
  if (balance === null) return null
  const { chain, signer, pool, memory } = context
  const now = context.clock.now()
  if (memory.dailyFees === null || now - memory.dailyFees.at > FORECAST_EVERY_MS) {
    const wei = await countOptional(context, 'daily fees', () =>
      dailyFees(pool, chain.chainId, signer.address, new Date(now), FORECAST_OVER_DAYS),
    )
    memory.dailyFees = { wei, at: now }
  }
  const { wei } = memory.dailyFees
  return wei === null || wei === 0n ? null : Number((balance * 10n) / wei) / 10
}
