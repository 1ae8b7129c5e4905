import type { Clock, Logger } from '../core/ports.ts'
import { besideAbandoned } from '../store/connection/abandoned.ts'
import {
  type Connection,
  type Database,
  LEAST_ABANDONED_MS,
  type Pool,
} from '../store/connection/database.ts'
import { acquireLease, type Lease, releaseLease, renewLease } from '../store/connection/leases.ts'
import { listRuns, reclaimPages } from '../store/index/leaf-runs.ts'
import {
  newestChunkId,
  oldestChunkId,
  type PendingChunk,
  pendingChunks,
  reclaimChunks,
} from '../store/intake/intake.ts'
import { mergeRuns, runsToMerge } from './merge-runs.ts'
import { type Sealed, sealBatch } from './seal-batch.ts'

export type SealOptions = {
  /** The oldest pending hash is sealed at the latest this many ms after it came. */
  maxAgeMs: number
  /** Leaves that make a batch at once, and the most a batch holds (plus at most one chunk). */
  maxLeaves: number
  leaseTtlMs: number
  /** Runs of one tier of the leaf index that are merged into one of the next. */
  mergeFanOut: number
}

export type SealLoop = {
  /**
   * Resolves once every hash that was committed before the call is sealed, by this daemon or by the one that holds
   * the lease, or after `withinMs`: false then.
   */
  flush(withinMs: number): Promise<boolean>
  /** Finishes the batch under way, gives the lease back, and returns its connections. */
  close(): Promise<void>
}

const MAX_CHUNKS = 20_000
/** Index entries, 16 bytes each, or runs, whose removal is worth a vacuum. */
const RECLAIM_ENTRIES = 500_000
const RECLAIM_RUNS = 64
/** The same for hashes of sealed chunks, 32 bytes each. */
const RECLAIM_HASHES = 500_000
const LEASE = 'seal'

/** Seals continuously while it holds the lease `seal`; survives the loss of the database and of the lease. */
export function startSealLoop(deps: {
  database: Database
  owner: string
  options: SealOptions
  clock: Clock
  logger: Logger
  onSealed(sealed: Sealed, seconds: number): void
  onFailure?(error: unknown): void
  faultPoint?: (name: string) => Promise<void> | void
}): SealLoop {
  const { database, options, clock, logger } = deps
  const faultPoint = deps.faultPoint ? { faultPoint: deps.faultPoint } : {}
  const idleMs = Math.min(200, Math.max(10, options.maxAgeMs / 5))
  let lease: Lease | null = null
  let renewedAtMs = 0
  let closing = false
  let flushers = 0
  let wake: (() => void) | undefined
  let merging: Promise<void> | undefined
  let removedEntries = 0
  let removedRuns = 0
  let removedHashes = 0

  async function holdLease(): Promise<Lease | null> {
    const now = clock.now()
    if (lease && now - renewedAtMs < options.leaseTtlMs / 3) return lease
    const held: Lease | null = lease
    if (held && !(await renewLease(database.pool, held, options.leaseTtlMs))) {
      logger.warn({ lease: LEASE, epoch: held.epoch }, 'seal lease lost to another daemon')
      lease = null
    }
    lease ??= await besideAbandoned(
      database.pool,
      { afterMs: Math.max(LEAST_ABANDONED_MS, options.leaseTtlMs), logger },
      (client) => acquireLease(client, LEASE, deps.owner, options.leaseTtlMs),
    )
    renewedAtMs = now
    return lease
  }

  /** Seals one batch if one is due; true when there may be more to do at once. */
  async function pass(): Promise<boolean> {
    const held = await holdLease()
    if (!held) return false
    const pending = await pendingChunks(database.pool, MAX_CHUNKS)
    const chunks = upTo(options.maxLeaves, pending)
    const oldest = chunks[0]
    if (!oldest) return false
    const leaves = chunks.reduce((sum, chunk) => sum + chunk.leafCount, 0)
    const full = leaves >= options.maxLeaves || chunks.length < pending.length || chunks.length === MAX_CHUNKS
    // Negative after the database's clock was set back: the true age is then unknown.
    const isYoung = oldest.ageMs >= 0 && oldest.ageMs < options.maxAgeMs
    if (!full && flushers === 0 && isYoung) return false

    const startedAt = performance.now()
    const sealed = await withTwoClients(database.pool, (reader, writer) =>
      sealBatch({
        reader,
        writer,
        lease: held,
        chunks,
        ...(deps.faultPoint ? { faultPoint: deps.faultPoint } : {}),
      }),
    )
    deps.onSealed(sealed, (performance.now() - startedAt) / 1000)
    removedHashes += sealed.leafCount
    merging ??= mergeWhileDue(held).finally(() => {
      merging = undefined
    })
    return full || flushers > 0
  }

  /** Merges go on beside sealing, on connections of their own; one that fails is tried again after the next batch. */
  async function mergeWhileDue(held: Lease): Promise<void> {
    try {
      await reclaimRemoved()
      while (!closing) {
        const runs = runsToMerge(await listRuns(database.pool), options.mergeFanOut)
        if (!runs) return
        await withTwoClients(database.pool, (reader, writer) =>
          mergeRuns({ reader, writer, lease: held, runs, stopped: () => closing, ...faultPoint }),
        )
        removedEntries += runs.reduce((sum, run) => sum + run.entryCount, 0)
        removedRuns += runs.length
      }
    } catch (error) {
      if (closing) {
        logger.info('a merge was given up for the shutdown')
        return
      }
      deps.onFailure?.(error)
      logger.warn({ err: error }, 'merging runs of the leaf index failed; look-ups go on with the old runs')
    }
  }

  /**
   * Pages of merged runs only a batch after the merge: what a transaction that was under way then might still see cannot be
   * reclaimed, and sealing itself is such a transaction. What a failed vacuum left is counted again.
   */
  async function reclaimRemoved(): Promise<void> {
    if (!closing && removedHashes >= RECLAIM_HASHES) {
      // Sealing goes on meanwhile, and removes more.
      const hashes = removedHashes
      await reclaimChunks(database.pool)
      removedHashes -= hashes
    }
    if (!closing && (removedEntries >= RECLAIM_ENTRIES || removedRuns >= RECLAIM_RUNS)) {
      await reclaimPages(database.pool)
      removedEntries = 0
      removedRuns = 0
    }
  }

  async function run(): Promise<void> {
    while (!closing) {
      let again = false
      try {
        again = await pass()
      } catch (error) {
        deps.onFailure?.(error)
        logger.error({ err: error }, 'sealing failed; the hashes stay in intake and are tried again')
        lease = null
        await pause(1_000)
      }
      if (!again) await pause(idleMs)
    }
    await merging
    if (lease) await releaseLease(database.pool, lease)
  }

  function pause(ms: number): Promise<void> {
    if (closing) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  const running = run().catch((error: unknown) =>
    logger.warn({ err: error }, 'seal lease not given back; it runs out by itself'),
  )

  return {
    async flush(withinMs) {
      const deadline = clock.now() + withinMs
      flushers++
      wake?.()
      try {
        const newest = await newestChunkId(database.pool)
        while (newest !== null && clock.now() < deadline && !closing) {
          const oldest = await oldestChunkId(database.pool)
          if (oldest === null || oldest > newest) return true
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
        return newest === null
      } finally {
        flushers--
      }
    },
    async close() {
      closing = true
      wake?.()
      await running
    },
  }
}

/** The longest run of chunks from the front that holds at most `maxLeaves`, or the first one alone. */
function upTo(maxLeaves: number, chunks: PendingChunk[]): PendingChunk[] {
  let leaves = 0
  const end = chunks.findIndex((chunk, i) => {
    leaves += chunk.leafCount
    return i > 0 && leaves > maxLeaves
  })
  return end < 0 ? chunks : chunks.slice(0, end)
}

async function withTwoClients<T>(
  pool: Pool,
  run: (reader: Connection, writer: Connection) => Promise<T>,
): Promise<T> {
  const reader = await pool.connect()
  try {
    const writer = await pool.connect()
    try {
      const result = await run(reader, writer)
      writer.release()
      reader.release()
      return result
    } catch (error) {
      // A connection that failed halfway may still be inside a COPY: never reuse it.
      writer.release(true)
      throw error
    }
  } catch (error) {
    reader.release(true)
    throw error
  }
}
