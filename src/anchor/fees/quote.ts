import { parseUnits } from 'ethers'
import { RpcAnswerError } from 'holdfast-client/json-rpc'
import { type Ask, askFor, bigQuantityOf, fieldsOf } from 'holdfast-client/rpc-values'
import type { FeeLimits } from '../../core/chain-config.ts'

/** An offer in wei. For a chain without EIP-1559, both fields hold the gas price. */
export type Offer = { legacy: boolean; maxFeePerGas: bigint; maxPriorityFeePerGas: bigint }

/** What the chain asks for now, and what the limits let us offer. */
export type Quote = {
  offer: Offer
  /** The least that the next block takes: base fee, or the gas price of a legacy chain. */
  price: bigint
  /** The limits do not reach what the next block takes, so that signing now is in vain. */
  overCap: boolean
}

/** Fees are looked up over this many blocks. */
const HISTORY_BLOCKS = 10
/** Nodes want +10 % on both caps before they replace; what is offered is +12.5 %. */
const RAISE_NUMERATOR = 9n
const RAISE_DENOMINATOR = 8n

/**
 * Fee cap = tip + 2 x next base fee, within the limits; tip = median of what recent blocks paid.
 * @throws what `ask` throws
 */
export async function quoteFees(ask: Ask, limits: FeeLimits): Promise<Quote> {
  const history = await feeHistory(ask)
  return history === null
    ? quoteLegacy(await askFor(ask, 'eth_gasPrice', [], bigQuantityOf), limits)
    : quote1559(history, limits)
}

/** The offer for a given next base fee and recent tips, both in wei. */
export function quote1559(history: { baseFee: bigint; tips: readonly bigint[] }, limits: FeeLimits): Quote {
  const wei = weiOf(limits)
  const tip = clamp(median(history.tips), wei.minTip, wei.maxTip)
  const wanted = max(tip + 2n * history.baseFee, wei.floor)
  const maxFeePerGas = min(wanted, wei.cap)
  const room = maxFeePerGas - history.baseFee
  return {
    offer: {
      legacy: false,
      maxFeePerGas,
      maxPriorityFeePerGas: clamp(tip, 0n, max(room, min(wei.minTip, maxFeePerGas))),
    },
    price: history.baseFee,
    overCap: history.baseFee + wei.minTip > wei.cap,
  }
}

function quoteLegacy(gasPrice: bigint, limits: FeeLimits): Quote {
  const wei = weiOf(limits)
  const price = min(max(gasPrice, wei.floor), wei.cap)
  return {
    offer: { legacy: true, maxFeePerGas: price, maxPriorityFeePerGas: price },
    price: gasPrice,
    overCap: gasPrice > wei.cap,
  }
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
  if (last.legacy) {
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

type FeeHistory = { baseFee: bigint; tips: bigint[] }

async function feeHistory(ask: Ask): Promise<FeeHistory | null> {
  try {
    const params = [`0x${HISTORY_BLOCKS.toString(16)}`, 'latest', [50]]
    const history = await askFor(ask, 'eth_feeHistory', params, readHistory)
    // Chains from before EIP-1559 answer with zeros; so does a free chain, whose blocks do have the field.
    if (history?.baseFee === 0n && !(await latestHasBaseFee(ask))) return null
    return history
  } catch (error) {
    if (error instanceof RpcAnswerError && !(await latestHasBaseFee(ask))) return null
    throw error
  }
}

function readHistory(answer: unknown): FeeHistory | null {
  const { baseFeePerGas, reward, gasUsedRatio } = (fieldsOf(answer) ?? {}) as {
    baseFeePerGas?: unknown[] | null
    reward?: unknown[][] | null
    gasUsedRatio?: number[] | null
  }
  const next = baseFeePerGas?.at(-1)
  if (next === undefined || next === null) return null
  const tips = (reward ?? []).filter((_, i) => (gasUsedRatio?.[i] ?? 1) > 0)
  return { baseFee: bigQuantityOf(next), tips: tips.map((row) => bigQuantityOf(row[0] ?? '0x0')) }
}

async function latestHasBaseFee(ask: Ask): Promise<boolean> {
  return askFor(
    ask,
    'eth_getBlockByNumber',
    ['latest', false],
    (answer) => typeof fieldsOf(answer)?.baseFeePerGas === 'string',
  )
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

function median(values: readonly bigint[]): bigint {
  const sorted = [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  return sorted[sorted.length >> 1] ?? 0n
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const clamp = (value: bigint, low: bigint, high: bigint): bigint => min(max(value, low), high)
