import { formatEther, parseEther } from 'ethers'
import type { Hindrance } from '../../core/anchor-state.ts'
import { dailyFees, feesPaidSince } from '../../store/chain/attempts.ts'
import type { AnchorContext } from '../context.ts'
import type { Sight } from '../inspect.ts'
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
  const { chain, signer } = context
  const worst =
    BigInt(payload.gasLimit) * offer.maxFeePerGas + (await dataFeeOf(sight.ask, payload, context.memory))
  const balance = await balanceOf(sight.ask, signer.address)
  if (balance < worst) {
    return {
      reason: 'no_funds',
      detail: `${signer.address} holds ${formatEther(balance)} on chain ${chain.chainId}; the next transaction may cost up to ${formatEther(worst)}. Send it funds.`,
    }
  }
  return dailyLimitHindrance(context, worst)
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

/** How many days the balance lasts at the pace of the last week; null while nothing was paid. */
export async function balanceDays(context: AnchorContext, balance: bigint): Promise<number | null> {
  const { chain, signer, pool, memory } = context
  const now = context.clock.now()
  if (memory.dailyFees === null || now - memory.dailyFees.at > FORECAST_EVERY_MS) {
    const wei = await dailyFees(pool, chain.chainId, signer.address, new Date(now), FORECAST_OVER_DAYS)
    memory.dailyFees = { wei, at: now }
  }
  const { wei } = memory.dailyFees
  return wei === null || wei === 0n ? null : Number((balance * 10n) / wei) / 10
}
