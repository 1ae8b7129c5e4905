import type { Anchorer } from '../anchor/anchorer.ts'
import type { IntakeQueue } from '../ingest/intake-queue.ts'
import type { Tick } from '../ops/tick.ts'
import { sealedTotals } from '../store/chain/read-lists.ts'
import type { Database } from '../store/connection/database.ts'
import { asStoreError } from '../store/connection/failures.ts'
import { intakeBacklog } from '../store/intake/intake.ts'

/** What `/v1/status` answers: how much waits at each step, since when, and how every chain stands. */
export function createStatus(deps: {
  database: Pick<Database, 'db' | 'pool'>
  chains: readonly { anchorer: Pick<Anchorer, 'status'>; tick: Pick<Tick, 'nextRun'> }[]
  intake: Pick<IntakeQueue, 'pending'>
}): () => Promise<object> {
  return async () => {
    try {
      const { db, pool } = deps.database
      const [waiting, sealed] = await Promise.all([intakeBacklog(pool), sealedTotals(db)])
      return {
        intake: {
          committing: deps.intake.pending().requests,
          waitingToSeal: waiting.leaves,
          oldestReceivedAt: waiting.oldestMs === null ? null : new Date(waiting.oldestMs).toISOString(),
        },
        sealed,
        chains: deps.chains.map(({ anchorer, tick }) => {
          const { chainId, ...rest } = anchorer.status()
          return { chainId: `eip155:${chainId}`, nextTick: tick.nextRun(), ...rest }
        }),
      }
    } catch (error) {
      throw asStoreError(error)
    }
  }
}
