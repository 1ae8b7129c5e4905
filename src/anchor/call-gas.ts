/** How much gas the registry call gets: asked of the chain, remembered for a while, asked again after a failure. */
import { Transaction } from 'ethers'
import type { Hindrance } from '../core/anchor-state.ts'
import { toHex } from '../core/hash.ts'
import { lastMinedAnchor } from '../store/chain/anchors.ts'
import type { Attempt } from '../store/chain/attempts.ts'
import type { AnchorContext } from './context.ts'
import { estimateGas } from './fees/estimate-gas.ts'
import { chooseGasLimit, type GasEstimate, leastGas, ranOutOfGas } from './fees/gas-limit.ts'
import { gasRefusal } from './fees/refusal.ts'
import type { Sight } from './inspect.ts'
import { otherViews } from './others.ts'
import { isEndpointFault } from './rpc/faults.ts'
import type { Call, Payload } from './submit.ts'

/** A fork may change what the call costs: an estimate older than this is asked for again before it is signed for. */
const ESTIMATE_AGE_MS = 60_000
/** Looks that an endpoint which gives no answer to the estimate may end; then it counts as one that cannot estimate. */
const PATIENCE = 2

/**
 * The call with a gas limit, or why it has none.
 * @param attempts what was signed for the same anchor so far: an estimate from before one of them failed for gas is not used
 * @throws what `sight.ask` throws, the first times that an endpoint does not answer at all
 */
export async function withGas(
  context: AnchorContext,
  sight: Sight,
  call: Call,
  attempts: readonly Attempt[],
): Promise<{ payload: Payload; hindrance: null } | { hindrance: Hindrance }> {
  const { chain, pool } = context
  const own = attempts.filter((attempt) => attempt.kind === 'anchor' && sendsTo(attempt, call.to))
  const ranOut = own.filter((attempt) => attempt.state === 'reverted' && ranOutOfGas(attempt))
  const tooLow = own.filter((attempt) => refusedForGas(attempt) === 'low')
  const tooHigh = own.filter((attempt) => refusedForGas(attempt) === 'high')
  const newestFailure = [...own.filter(({ state }) => state === 'reverted'), ...tooLow, ...tooHigh]
    .map(({ id }) => id)
    .reduce((newest, id) => Math.max(newest, id), 0)
  const estimate = await estimateFor(context, sight, call, newestFailure)
  const last = estimate.kind === 'gas' ? null : await lastMinedAnchor(pool, chain.chainId)
  const choice = chooseGasLimit({
    least: leastGas(call.data),
    estimate,
    known: last?.mode === chain.mode ? last.gasUsed : null,
    ranOutAt: extreme(Math.max, ranOut),
    tooLowAt: extreme(Math.max, tooLow),
    tooHighAt: extreme(Math.min, tooHigh),
    maxGas: chain.maxGas,
  })
  if (choice.kind === 'limit') return { payload: { ...call, gasLimit: choice.gasLimit }, hindrance: null }
  const limit =
    choice.most === chain.maxGas
      ? `chains[].maxGas is ${chain.maxGas}`
      : `its nodes take no transaction with more than ${choice.most}`
  const detail = `An anchor on chain ${chain.chainId} takes ${choice.needed} gas or more; ${limit}.`
  return { hindrance: { reason: 'fee_cap', detail } }
}

function extreme(of: (...values: number[]) => number, attempts: readonly Attempt[]): number | null {
  return attempts.length === 0 ? null : of(...attempts.map(({ gasLimit }) => gasLimit))
}

/** Attempts at another address say nothing of what a call costs here. */
function sendsTo(attempt: Attempt, address: string): boolean {
  return Transaction.from(toHex(attempt.raw)).to?.toLowerCase() === address.toLowerCase()
}

/** Whether the attempt's gas limit is why no node took it when it was last sent. */
export function refusedForGas({ state, error }: Attempt): 'low' | 'high' | null {
  return state === 'refused' && error !== null ? gasRefusal(error) : null
}

async function estimateFor(
  context: AnchorContext,
  sight: Sight,
  call: Call,
  newestFailure: number,
): Promise<GasEstimate> {
  const { memory, clock, logger, signer } = context
  const key = `${signer.address} ${call.to} ${call.data.slice(0, 10)}`
  const known = memory.gas?.key === key ? memory.gas : null
  const isFresh = known !== null && clock.now() < known.at + ESTIMATE_AGE_MS
  if (known !== null && isFresh && newestFailure <= known.newestFailure) return known.estimate
  const asked = await askAll(context, sight, call)
  // What was known before is better than nothing, unless it has just failed.
  const keep = asked.kind === 'unknown' && known !== null && newestFailure <= known.newestFailure
  const estimate = keep ? known.estimate : asked
  if (asked.kind !== 'gas')
    logger.warn({ call: call.to, why: asked.why }, 'the gas of an anchor cannot be estimated')
  memory.gas = { key, estimate, at: clock.now(), newestFailure }
  return estimate
}

/** The look's endpoint, then the others while it has no word on it. */
async function askAll(context: AnchorContext, sight: Sight, call: Call): Promise<GasEstimate> {
  const asked = { ...call, from: context.signer.address }
  const first = await askPatiently(context, sight, asked)
  if (first.kind !== 'unknown') return first
  for (const view of await otherViews(context, sight)) {
    try {
      const estimate = await estimateGas(view.ask, asked)
      if (estimate.kind !== 'unknown') return estimate
    } catch (error) {
      if (!isEndpointFault(error)) throw error
    }
  }
  return first
}

async function askPatiently(
  { memory }: AnchorContext,
  sight: Sight,
  asked: Call & { from: string },
): Promise<GasEstimate> {
  try {
    const estimate = await estimateGas(sight.ask, asked)
    memory.unestimated = 0
    return estimate
  } catch (error) {
    memory.unestimated += 1
    if (!isEndpointFault(error) || memory.unestimated <= PATIENCE) throw error
    return { kind: 'unknown', why: error.message }
  }
}
