/** What nodes asked for when they refused, remembered by the leader, and quotes that heed it. */
import type { AnchorContext } from '../context.ts'
import type { Sight } from '../inspect.ts'
import { askOptional } from '../optional.ts'
import { type Demands, type Quote, quoteFees } from './quote.ts'
import { demandOf } from './refusal.ts'

/** A rule of a node holds for long; its block's base fee does not. */
const RULE_MS = 24 * 60 * 60 * 1000
const MOMENT_MS = 60_000
/** What no limit allows holds up all anchors: the node is tried again after this. */
const FORBIDDEN_MS = 10 * 60 * 1000

/** Notes what a refusal names. Doing it twice comes to the same. */
export function heedRefusal(
  { memory, clock, chain, logger }: Pick<AnchorContext, 'memory' | 'clock' | 'chain' | 'logger'>,
  refused: { error: string; gasLimit: number; legacy: boolean },
): void {
  const { tip, price, cap, momentary, legacyOnly } = demandOf(refused.error, refused.gasLimit)
  const { fees } = memory
  if (legacyOnly && !refused.legacy && !fees.legacyOnly && (chain.fees.type ?? 'auto') === 'auto') {
    fees.legacyOnly = true
    logger.warn({ chainId: chain.chainId, why: refused.error }, 'the chain takes legacy transactions only')
  }
  for (const [name, wei] of Object.entries({ tip, price, cap }) as [keyof Demands, bigint | null][]) {
    if (wei === null) continue
    const limitGwei = name === 'tip' ? chain.fees.maxTipGwei : chain.fees.maxFeePerGasGwei
    const isForbidden = Number(wei) / 1e9 > limitGwei
    const lifeMs = momentary ? MOMENT_MS : isForbidden ? FORBIDDEN_MS : RULE_MS
    fees.demands[name] = { wei, until: clock.now() + lifeMs }
  }
}

/**
 * What the chain asks now, with what its nodes demanded.
 * @throws what `sight.ask` throws
 */
export async function quoteNow(context: AnchorContext, { endpoint, ask }: Sight): Promise<Quote> {
  const { memory, clock, chain } = context
  const now = clock.now()
  const wanted = (name: keyof Demands) => {
    const demand = memory.fees.demands[name]
    return demand !== undefined && demand.until > now ? demand.wei : 0n
  }
  const quote = await quoteFees(ask, chain.fees, {
    legacyOnly: memory.fees.legacyOnly,
    demands: { tip: wanted('tip'), price: wanted('price'), cap: wanted('cap') },
    optionally: (name, question) => askOptional(context, { endpoint, name }, question),
  })
  memory.fees.tipOverLimit = quote.tipOverLimit
  return quote
}
