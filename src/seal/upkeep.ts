/**
 * In: what sealing leaves behind, which is runs of the leaf index and rows without a use. Out: few runs, and space for
 * the next batches. Goes on beside sealing, on connections of its own; what fails is tried again after the next batch.
 */
import type { Logger } from '../core/ports.ts'
import type { Pool } from '../store/connection/database.ts'
import type { Lease } from '../store/connection/leases.ts'
import { withPair } from '../store/connection/pair.ts'
import { listRuns, reclaimPages } from '../store/index/leaf-runs.ts'
import { reclaimChunks } from '../store/intake/intake.ts'
import { mergeRuns, runsToMerge } from './merge-runs.ts'

export type Upkeep = {
  /** Begins what is due, unless it is under way. */
  afterBatch(lease: Lease, leafCount: number): void
  /** Gives up what is under way; resolves when its connections are free. */
  close(): Promise<void>
}

/** Index entries, 16 bytes each, or runs, whose removal is worth a vacuum. */
const RECLAIM_ENTRIES = 500_000
const RECLAIM_RUNS = 64
/** The same for hashes of sealed chunks, 32 bytes each. */
const RECLAIM_HASHES = 500_000

export function createUpkeep(deps: {
  pool: Pool
  mergeFanOut: number
  /** Whether work under the lease may go on. */
  holds: (lease: Lease) => boolean
  logger: Logger
  onFailure: (error: unknown) => void
  faultPoint?: (name: string) => Promise<void> | void
}): Upkeep {
  const { pool, logger } = deps
  const faultPoint = deps.faultPoint ? { faultPoint: deps.faultPoint } : {}
  const ending = new AbortController()
  let underWay: Promise<void> | undefined
  let removedEntries = 0
  let removedRuns = 0
  let removedHashes = 0

  async function work(lease: Lease): Promise<void> {
    const stopped = () => ending.signal.aborted || !deps.holds(lease)
    try {
      await reclaimRemoved()
      while (!stopped()) {
        const runs = runsToMerge(await listRuns(pool), deps.mergeFanOut)
        if (!runs) return
        await withPair(pool, ending.signal, (reader, writer) =>
          mergeRuns({ reader, writer, lease, runs, stopped, ...faultPoint }),
        )
        removedEntries += runs.reduce((sum, run) => sum + run.entryCount, 0)
        removedRuns += runs.length
      }
    } catch (error) {
      if (stopped()) {
        logger.info('upkeep of the leaf index was given up')
        return
      }
      deps.onFailure(error)
      logger.warn({ err: error }, 'merging runs of the leaf index failed; look-ups go on with the old runs')
    }
  }

  /**
   * Vacuum merged pages one batch late: rows visible to a transaction open at merge time cannot be reclaimed. What a
   * failed vacuum left is counted again.
   */
  async function reclaimRemoved(): Promise<void> {
    if (!ending.signal.aborted && removedHashes >= RECLAIM_HASHES) {
      // Sealing goes on meanwhile, and removes more.
      const hashes = removedHashes
      await reclaimChunks(pool, ending.signal)
      removedHashes -= hashes
    }
    if (!ending.signal.aborted && (removedEntries >= RECLAIM_ENTRIES || removedRuns >= RECLAIM_RUNS)) {
      await reclaimPages(pool, ending.signal)
      removedEntries = 0
      removedRuns = 0
    }
  }

  return {
    afterBatch(lease, leafCount) {
      removedHashes += leafCount
      underWay ??= work(lease).finally(() => {
        underWay = undefined
      })
    },
    async close() {
      ending.abort(new Error('the daemon is stopping'))
      await underWay
    },
  }
}
