/** What is offered for gas: decided here from the chain's facts, the limits, and what nodes asked for. */
import { parseUnits } from 'ethers'
import type { Ask } from 'holdfast-client/rpc-values'
import type { FeeLimits } from '../../core/chain-config.ts'
import { orNull } from '../optional.ts'
import { type FeeFacts, median, type Optionally, readFees } from './read-fees.ts'

/** An offer in wei. For a legacy transaction, both fields hold the gas price. */
export type Offer = { legacy: boolean; maxFeePerGas: bigint; maxPriorityFeePerGas: bigint }

/** What nodes wanted when they refused, in wei; 0 where they named nothing. The price is what is paid in effect. */
export type Demands = { tip: bigint; price: bigint; cap: bigint }

/** What the chain asks for now, and what the limits let us offer. */
export type Quote = {
  offer: Offer
  /** The least that the next block takes: base fee, or the gas price of a legacy chain. */
  price: bigint
  /** The limits do not reach what the next block takes, so that signing now is in vain. */
  overCap: boolean
  /** What a node demanded and a limit forbids: signing is in vain, too. */
  forbidden: { limit: 'maxTipGwei' | 'maxFeePerGasGwei'; wanted: bigint } | null
  /** The tip that recent blocks took, where it is over `maxTipGwei`; such a transaction may wait long. */
  tipOverLimit: bigint | null
}

const NO_DEMANDS: Demands = { tip: 0n, price: 0n, cap: 0n }
/** Nodes want +10 % on both caps before they replace; what is offered is +12.5 %. */
const RAISE_NUMERATOR = 9n
const RAISE_DENOMINATOR = 8n

/**
 * Asks the chain for its fees and quotes them.
 * @param known what is remembered of this chain: that it takes legacy transactions only, and what its nodes demanded
 * @throws what `ask` throws
 */
export async function quoteFees(
  ask: Ask,
  limits: FeeLimits,
  known: { legacyOnly?: boolean; demands?: Demands; optionally?: Optionally } = {},
): Promise<Quote> {
  const type = limits.type ?? 'auto'
  const legacy = type === 'legacy' || (type === 'auto' && known.legacyOnly === true)
  const facts = await readFees(ask, known.optionally ?? ((_, question) => orNull(question())), legacy)
  const demands = known.demands ?? NO_DEMANDS
  if (legacy || (facts.baseFee === null && type === 'auto')) return quoteLegacy(facts, limits, demands)
  return quote1559({ baseFee: facts.baseFee ?? facts.gasPrice ?? 0n, tips: facts.tips }, limits, demands)
}

/** Fee cap = tip + 2 x next base fee, tip = median of what recent blocks took; both within the limits. */
export function quote1559(
  history: { baseFee: bigint; tips: readonly bigint[] },
  limits: FeeLimits,
  demands: Demands = NO_DEMANDS,
): Quote {
  const wei = weiOf(limits)
  const { baseFee } = history
  const recent = median(history.tips)
  const tip = clamp(max(max(recent, demands.tip), demands.price - baseFee), wei.minTip, wei.maxTip)
  const wanted = max(tip + 2n * baseFee, max(wei.floor, max(demands.price, demands.cap)))
  const maxFeePerGas = min(wanted, wei.cap)
  const room = maxFeePerGas - baseFee
  return {
    offer: {
      legacy: false,
      maxFeePerGas,
      maxPriorityFeePerGas: clamp(tip, 0n, max(room, min(wei.minTip, maxFeePerGas))),
    },
    price: baseFee,
    overCap: baseFee + wei.minTip > wei.cap,
    forbidden:
      demands.tip > wei.maxTip ? { limit: 'maxTipGwei', wanted: demands.tip } : forbiddenPrice(demands, wei),
    tipOverLimit: recent > wei.maxTip ? recent : null,
  }
}

/** The node's price, and not less than the next block takes. */
function quoteLegacy(facts: FeeFacts, limits: FeeLimits, demands: Demands = NO_DEMANDS): Quote {
  const wei = weiOf(limits)
  const base = facts.baseFee === null ? 0n : facts.baseFee + facts.baseFee / 8n + wei.minTip
  // Nodes count all of a legacy price as the tip, or what is left of it over the base fee.
  const tip = demands.tip === 0n ? 0n : demands.tip + (facts.baseFee ?? 0n)
  const demanded = max(max(demands.price, demands.cap), tip)
  const asked = max(facts.gasPrice ?? 0n, base)
  const gasPrice = min(max(max(asked, demanded), wei.floor), wei.cap)
  const least = facts.baseFee ?? facts.gasPrice ?? 0n
  return {
    offer: { legacy: true, maxFeePerGas: gasPrice, maxPriorityFeePerGas: gasPrice },
    price: least,
    overCap: least > wei.cap,
    forbidden: forbiddenPrice({ price: demanded, cap: 0n }, wei),
    tipOverLimit: null,
  }
}

function forbiddenPrice(demands: Omit<Demands, 'tip'>, wei: { cap: bigint }): Quote['forbidden'] {
  const wanted = max(demands.price, demands.cap)
  return wanted > wei.cap ? { limit: 'maxFeePerGasGwei', wanted } : null
}

/**
 * The least offer that replaces `last`, or what the chain asks now when that is more. Null when the limits leave no
 * room for a raise that nodes take: then what was signed is all there is.
 */
export function raiseOffer(last: Offer, now: Offer, limits: FeeLimits): Offer | null {
  const wei = weiOf(limits)
  const least = {
    maxFeePerGas: raised(last.maxFeePerGas),
    maxPriorityFeePerGas: raised(last.maxPriorityFeePerGas),
  }
  if (least.maxFeePerGas > wei.cap) return null
  if (last.legacy || now.legacy) {
    const price = min(max(least.maxFeePerGas, now.maxFeePerGas), wei.cap)
    return { legacy: true, maxFeePerGas: price, maxPriorityFeePerGas: price }
  }
  if (least.maxPriorityFeePerGas > wei.maxTip) return null
  const maxPriorityFeePerGas = max(least.maxPriorityFeePerGas, now.maxPriorityFeePerGas)
  const maxFeePerGas = max(max(least.maxFeePerGas, now.maxFeePerGas), maxPriorityFeePerGas)
  return {
    legacy: false,
    maxFeePerGas: min(maxFeePerGas, wei.cap),
    maxPriorityFeePerGas: min(maxPriorityFeePerGas, wei.cap),
  }
}

/**
 * An offer in the place of one that no node took, so that nothing has to be outbid: what the chain asks now, where that is
 * more; where the node named nothing, twice what was offered, within the limits. Else the same again.
 * @param doubles the last one was refused as too cheap, and it was not said how much is wanted
 */
export function offerAnew(last: Offer, now: Offer, limits: FeeLimits, doubles: boolean): Offer {
  if (now.legacy !== last.legacy || exceeds(now, last)) return now
  if (!doubles) return last
  const wei = weiOf(limits)
  const doubled = { legacy: last.legacy, ...twice(last, wei) }
  return exceeds(doubled, last) ? doubled : last
}

function twice(last: Offer, wei: { cap: bigint; maxTip: bigint }): Omit<Offer, 'legacy'> {
  if (last.legacy) {
    const price = min(last.maxFeePerGas * 2n, wei.cap)
    return { maxFeePerGas: price, maxPriorityFeePerGas: price }
  }
  const tip = min(max(last.maxPriorityFeePerGas * 2n, 1n), wei.maxTip)
  return { maxFeePerGas: min(last.maxFeePerGas * 2n, wei.cap), maxPriorityFeePerGas: min(tip, wei.cap) }
}

/** Whether it offers more in one field, and not less in the other. */
function exceeds(offer: Offer, last: Offer): boolean {
  const cap = offer.maxFeePerGas - last.maxFeePerGas
  const tip = offer.maxPriorityFeePerGas - last.maxPriorityFeePerGas
  return cap >= 0n && tip >= 0n && cap + tip > 0n
}

function weiOf(limits: FeeLimits): { cap: bigint; minTip: bigint; maxTip: bigint; floor: bigint } {
  return {
    cap: gwei(limits.maxFeePerGasGwei),
    minTip: gwei(limits.minTipGwei),
    maxTip: gwei(limits.maxTipGwei),
    floor: gwei(limits.floorGwei ?? 0),
  }
}

function gwei(amount: number): bigint {
  return parseUnits(amount.toFixed(9), 'gwei')
}

/** Rounded up, and at least one wei more. */
function raised(fee: bigint): bigint {
  return max((fee * RAISE_NUMERATOR + RAISE_DENOMINATOR - 1n) / RAISE_DENOMINATOR, fee + 1n)
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const clamp = (value: bigint, low: bigint, high: bigint): bigint => min(max(value, low), high)
