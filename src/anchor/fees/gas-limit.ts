/** How much gas a transaction is given: decided here from what the chain says, and without asking it. */
import type { Hex } from '../../core/hash.ts'

/** What `eth_estimateGas` says of a call. Neither `reverts` nor `unknown` tells how much gas it needs. */
export type GasEstimate = { kind: 'gas'; gas: number } | { kind: 'reverts' | 'unknown'; why: string }

export type GasChoice =
  | { kind: 'limit'; gasLimit: number }
  /** The call needs `needed` or more, which is over `most`. */
  | { kind: 'over'; needed: number; most: number }

const BASE_GAS = 21_000
/** State may change between the estimate and the block. */
const MARGIN = 1.25
/** Times what the last anchor used, where the node cannot estimate. */
const KNOWN_MARGIN = 2
/** Beyond the least, where nothing is known of the chain. Unused gas costs nothing on most. */
export const FALLBACK_GAS = 500_000

/** Least gas that a node takes for this calldata: base + the dearer of the calldata and its floor. Source: EIP-7623. */
export function leastGas(data: Hex): number {
  let zeros = 0
  const bytes = Buffer.from(data.slice(2), 'hex')
  for (const byte of bytes) if (byte === 0) zeros += 1
  const tokens = zeros + (bytes.length - zeros) * 4
  return BASE_GAS + tokens * 10
}

/**
 * Never under what is computed locally, never over `maxGas`.
 * @param known gas that the last anchor of this chain used; null when there is none
 * @param ranOutAt highest limit at which this call ran out of gas; null when it never did
 * @param tooLowAt highest limit that nodes refused as too low; null when they refused none
 * @param tooHighAt lowest limit that nodes refused as too high; null when they refused none
 */
export function chooseGasLimit(facts: {
  least: number
  estimate: GasEstimate
  known?: number | null
  ranOutAt?: number | null
  tooLowAt?: number | null
  tooHighAt?: number | null
  maxGas: number
}): GasChoice {
  const { least, estimate, known = null, ranOutAt, tooLowAt, tooHighAt = null, maxGas } = facts
  const ranOut = ranOutAt ?? 0
  const tooLow = tooLowAt ?? 0
  const most = tooHighAt === null ? maxGas : Math.min(maxGas, tooHighAt - 1)
  const estimated = estimate.kind === 'gas' ? estimate.gas : 0
  // An estimate from after it ran out of gas has the last word on what is enough.
  const failed = Math.max(tooLow, estimated > 0 ? 0 : ranOut)
  const needed = Math.max(least, estimated, failed === 0 ? 0 : failed + 1)
  if (needed > most) return { kind: 'over', needed, most }
  const raised = raisedGas(estimate, Math.max(ranOut, tooLow), maxGas)
  const wanted = Math.max(least, wantedGas(estimate, least, known), raised)
  if (wanted <= most) return { kind: 'limit', gasLimit: wanted }
  // Between what was too little and what was too much.
  return { kind: 'limit', gasLimit: tooHighAt === null ? most : Math.ceil((needed + most) / 2) }
}

function wantedGas(estimate: GasEstimate, least: number, known: number | null): number {
  if (estimate.kind === 'gas') return Math.ceil(estimate.gas * MARGIN)
  return known === null ? least + FALLBACK_GAS : known * KNOWN_MARGIN
}

/** Twice what was not enough; all that is allowed where the node has no word on it. */
function raisedGas(estimate: GasEstimate, failedAt: number, maxGas: number): number {
  return failedAt > 0 && estimate.kind === 'unknown' ? maxGas : failedAt * 2
}

/** Part of its limit that a call which is out of gas may leave: a call it makes gets 63/64. Source: EIP-150. */
const LEFT_OVER = 64

/** Whether a failed transaction ran out of gas; also when it is not known how much it used. */
export function ranOutOfGas({ gasUsed, gasLimit }: { gasUsed: number | null; gasLimit: number }): boolean {
  return gasUsed === null || gasUsed >= gasLimit - Math.floor(gasLimit / LEFT_OVER)
}
