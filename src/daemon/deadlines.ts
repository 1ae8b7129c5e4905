import type { ChainConfig } from '../core/chain-config.ts'
import { counted } from '../core/counted.ts'
import { createDeadline } from '../core/cron.ts'
import type { Logger } from '../core/ports.ts'
import { startChain } from '../store/chain/chain-starts.ts'
import type { Pool } from '../store/connection/database.ts'

/** Notes each chain's start; one that is new over an older database is named in the log. */
export function startChains<C extends Pick<ChainConfig, 'chainId' | 'startFrom'>>(
  pool: Pool,
  chains: readonly C[],
  logger: Logger,
): Promise<{ chain: C; startedAt: Date }[]> {
  return Promise.all(
    chains.map(async (chain) => {
      const { chainId, startFrom = 'all' } = chain
      const { isNew, batchesBefore, startedAt } = await startChain(pool, chainId, startFrom)
      if (isNew && batchesBefore > 0) {
        const held = counted(batchesBefore, 'batch', 'batches')
        const rule = startFrom === 'all' ? 'includes' : 'leaves out'
        logger.warn(
          { chainId, startFrom, batchesBefore },
          `the chain is new to a database that holds ${held}; chains[].startFrom ${rule} what is older than the chain`,
        )
      }
      return { chain, startedAt }
    }),
  )
}

type Started = { chain: Pick<ChainConfig, 'cron' | 'anchorWithinMs' | 'startFrom'>; startedAt: Date }

/** Deadlines by chain; both arguments and results are ms since the epoch. */
export type Deadlines = {
  /** Of what was received then, on the chain with this index. What is older than the chain is due as if it came with it. */
  of(index: number): (receivedAtMs: number) => number
  /** The earliest on any chain that anchors what was received then; null when none does. */
  earliest(receivedAtMs: number): number | null
}

export function createDeadlines(chains: readonly Started[]): Deadlines {
  const each = chains.map(({ chain, startedAt }) => {
    const deadline = createDeadline(chain)
    return (receivedAtMs: number) => deadline(Math.max(receivedAtMs, startedAt.getTime()))
  })
  return {
    of: (index) => each[index]!,
    earliest(receivedAtMs) {
      const anchoring = each.filter((_, i) => {
        const { chain, startedAt } = chains[i]!
        return chain.startFrom !== 'now' || receivedAtMs >= startedAt.getTime()
      })
      return anchoring.length === 0 ? null : Math.min(...anchoring.map((deadline) => deadline(receivedAtMs)))
    },
  }
}
