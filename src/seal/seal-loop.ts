/**
 * In: the `intake` log. Out: a batch whenever one is due, while this daemon holds the lease `seal`. Survives the loss of
 * the database and of the lease.
 */
import { HoldfastError } from '../core/errors.ts'
import type { Clock, Logger } from '../core/ports.ts'
import type { Database } from '../store/connection/database.ts'
import type { Lease } from '../store/connection/leases.ts'
import { withPair } from '../store/connection/pair.ts'
import { newestChunkId, oldestChunkId } from '../store/intake/intake.ts'
import { type PendingChunk, readPending } from '../store/intake/pending.ts'
import { createFairOrder } from './fair-order.ts'
import { createLeaseKeeper } from './lease-keeper.ts'
import { type Sealed, sealBatch } from './seal-batch.ts'
import { createUpkeep } from './upkeep.ts'

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
  /**
   * Ends the batch under way with what it has read, or rolls it back when that takes more than a few seconds; gives the
   * lease back, and returns its connections.
   */
  close(): Promise<void>
}

/** How many chunks one look at the log reads. */
const LOOK_CHUNKS = 20_000
/**
 * What a batch should take at most: whoever pushes meanwhile waits for it and the next. It reads and hashes for
 * {@link BUILD_MS}, or less where the index and the commit took longer than that before, then closes with what it has.
 */
const BATCH_MS = 1_000
const BUILD_MS = { least: 100, most: 500 }
/** A batch from which nothing came for this long is cut off, and meanwhile the lease is not renewed. */
const STUCK_MS = 60_000
/** When the loop closes, a batch has this long to end. */
const CLOSE_MS = 5_000
const FLUSH_LOOK_MS = 20

export function startSealLoop(deps: {
  database: Database
  owner: string
  options: SealOptions
  clock: Clock
  logger: Logger
  onSealed(sealed: Sealed, seconds: number): void
  onFailure?(error: unknown): void
  /** Whether this daemon seals, each time that changes. */
  onLease?(holds: boolean): void
  faultPoint?: (name: string) => Promise<void> | void
  stuckMs?: number
}): SealLoop {
  const { options, clock, logger } = deps
  const { pool } = deps.database
  const stuckMs = deps.stuckMs ?? Math.max(STUCK_MS, options.leaseTtlMs)
  const idleMs = Math.min(200, Math.max(10, options.maxAgeMs / 5))
  const faultPoint = deps.faultPoint ? { faultPoint: deps.faultPoint } : {}
  const fair = createFairOrder()
  let closing = false
  let flushers = 0
  let fromSource = 0
  let buildMs = BUILD_MS.most
  let wake: (() => void) | undefined
  let batch: { cut: AbortController; progressAt: number } | undefined

  const keeper = createLeaseKeeper({
    pool,
    name: 'seal',
    owner: deps.owner,
    ttlMs: options.leaseTtlMs,
    isStuck: cutWhenStuck,
    onChange: (holds) => deps.onLease?.(holds),
    logger,
  })
  const upkeep = createUpkeep({
    pool,
    mergeFanOut: options.mergeFanOut,
    holds: keeper.holds,
    isSealing: () => batch !== undefined,
    logger,
    onFailure: (error) => deps.onFailure?.(error),
    ...faultPoint,
  })

  function cutWhenStuck(): boolean {
    if (batch === undefined || performance.now() - batch.progressAt < stuckMs) return false
    batch.cut.abort(new Error(`nothing came from the batch for ${stuckMs} ms`))
    return true
  }

  /** Seals one batch if one is due; true when there may be more to do at once. */
  async function pass(): Promise<boolean> {
    const lease = await keeper.hold()
    if (lease === null || closing) return false
    const pending = await readPending(pool, { limit: LOOK_CHUNKS, fromSource })
    fromSource = pending.nextSource
    const oldest = pending.chunks[0]
    if (oldest === undefined) {
      upkeep.whileIdle(lease)
      return false
    }
    const leaves = pending.chunks.reduce((sum, chunk) => sum + chunk.leafCount, 0)
    const full = leaves >= options.maxLeaves || !pending.complete
    // Negative after the database's clock was set back: the true age is then unknown.
    const isYoung = oldest.ageMs >= 0 && oldest.ageMs < options.maxAgeMs
    if (!full && flushers === 0 && isYoung) return false
    const sealed = await sealOne(lease, upTo(options.maxLeaves, fair.order(pending.chunks)))
    return full || flushers > 0 || sealed.chunks.length < pending.chunks.length
  }

  async function sealOne(lease: Lease, chunks: PendingChunk[]): Promise<Sealed> {
    const startedAt = performance.now()
    const current = { cut: new AbortController(), progressAt: startedAt }
    batch = current
    try {
      const sealed = await withPair(pool, current.cut.signal, (reader, writer) =>
        sealBatch({
          reader,
          writer,
          lease,
          chunks,
          enough: () => closing || performance.now() - startedAt >= buildMs,
          onProgress: () => {
            current.progressAt = performance.now()
          },
          ...faultPoint,
        }),
      )
      fair.charge(sealed.chunks)
      const tookMs = performance.now() - startedAt
      buildMs = Math.min(BUILD_MS.most, Math.max(BUILD_MS.least, (buildMs * BATCH_MS) / tookMs))
      deps.onSealed(sealed, tookMs / 1000)
      upkeep.afterBatch(lease)
      return sealed
    } finally {
      batch = undefined
    }
  }

  async function run(): Promise<void> {
    while (!closing) {
      let again = false
      try {
        again = await pass()
      } catch (error) {
        if (error instanceof HoldfastError && error.code === 'LEASE_LOST') keeper.drop()
        if (closing) logger.info({ err: error }, 'a batch was rolled back for the shutdown')
        else {
          deps.onFailure?.(error)
          logger.error({ err: error }, 'sealing failed; the hashes stay in intake and are tried again')
          await pause(1_000)
        }
      }
      if (!again) await pause(idleMs)
    }
    await upkeep.close()
    await keeper.release()
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
        const newest = await newestChunkId(pool)
        while (newest !== null && clock.now() < deadline && !closing) {
          const oldest = await oldestChunkId(pool)
          if (oldest === null || oldest > newest) return true
          await new Promise((resolve) => setTimeout(resolve, FLUSH_LOOK_MS))
        }
        return newest === null
      } finally {
        flushers--
      }
    },
    async close() {
      closing = true
      wake?.()
      void upkeep.close()
      const late = setTimeout(() => batch?.cut.abort(new Error('the daemon is stopping')), CLOSE_MS)
      await running
      clearTimeout(late)
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
