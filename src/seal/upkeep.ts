/**
 * In: what sealing leaves behind, which is runs of the leaf index and rows without a use. Out: few runs, and space for
 * the next batches. Goes on beside sealing, on connections of its own; what fails is tried again after the next batch.
 */
import type { Logger } from '../core/ports.ts'
import type { Pool } from '../store/connection/database.ts'
import type { Lease } from '../store/connection/leases.ts'
import { withPair } from '../store/connection/pair.ts'
import { ENTRY_BYTES } from '../store/index/leaf-index.ts'
import { reclaimPages } from '../store/index/leaf-runs.ts'
import { readSlots, truncateSlot } from '../store/intake/slots.ts'
import { mergeStep } from './merge-runs.ts'
import { createPace } from './pace.ts'

export type Upkeep = {
  /** Begins what is due, unless it is under way. No batch is. */
  afterBatch(lease: Lease): void
  /** The same while nothing is sealed. */
  whileIdle(lease: Lease): void
  /** Gives up what is under way; resolves when its connections are free. */
  close(): Promise<void>
}

const MB = 2 ** 20
/** Bytes of removed index entries that are worth a vacuum: a sixteenth of those in use, within these bounds. */
const RECLAIM = { share: 1 / 16, least: 16 * MB, most: 64 * MB }
/** The same while nothing else goes on. */
const RECLAIM_IDLE = 2 * MB
/** Runs whose removal is worth one, however small they are. */
const RECLAIM_RUNS = 64
/**
 * Bytes of index entries that are removed beside one batch: no vacuum can reclaim them before it ends, because rows
 * removed during a transaction are visible to it.
 */
const BESIDE_BATCH = { share: 1 / 8, least: 24 * MB, most: 64 * MB }
/** An empty slot of the log of this size is truncated, and of that size while nothing else goes on. */
const SLOT_BYTES = 16 * MB
const SLOT_BYTES_IDLE = MB
/** Between two looks at the log's slots. One that is empty in two of them is not written to at the moment. */
const SLOT_LOOK_MS = 1_000

export function createUpkeep(deps: {
  pool: Pool
  mergeFanOut: number
  /** Whether work under the lease may go on. */
  holds: (lease: Lease) => boolean
  isSealing: () => boolean
  logger: Logger
  onFailure: (error: unknown) => void
  faultPoint?: (name: string) => Promise<void> | void
}): Upkeep {
  const { pool, logger } = deps
  const faultPoint = deps.faultPoint ? { faultPoint: deps.faultPoint } : {}
  const ending = new AbortController()
  const pace = createPace()
  let underWay: Promise<void> | undefined
  /** There may be runs to merge. */
  let due = true
  let liveBytes = 0
  /** Removed index entries that a vacuum can reclaim, and those that it can once the batch under way has ended. */
  let removed = { bytes: 0, runs: 0 }
  let fresh = { bytes: 0, runs: 0 }
  let emptySlots = new Set<number>()
  let slotsSeenAt = Number.NEGATIVE_INFINITY
  let mayTruncate = true

  function begin(lease: Lease): void {
    underWay ??= work(lease).finally(() => {
      underWay = undefined
    })
  }

  async function work(lease: Lease): Promise<void> {
    const stopped = () => ending.signal.aborted || !deps.holds(lease)
    try {
      await truncateSlots(lease)
      while (!stopped()) {
        await reclaimIndex()
        await truncateSlots(lease)
        if (deps.isSealing() && fresh.bytes >= bounded(BESIDE_BATCH, liveBytes)) return
        const step = await withPair(pool, ending.signal, (reader, writer) =>
          mergeStep({ reader, writer, lease, fanOut: deps.mergeFanOut, pace, ...faultPoint }),
        )
        if (step === null) {
          due = false
          return
        }
        liveBytes = step.liveEntries * ENTRY_BYTES
        fresh = { bytes: fresh.bytes + step.entries * ENTRY_BYTES, runs: fresh.runs + step.runs }
        if (!deps.isSealing()) age()
      }
    } catch (error) {
      if (stopped()) {
        logger.debug({ err: error }, 'upkeep of the leaf index was given up')
        return
      }
      due = false
      deps.onFailure(error)
      logger.warn({ err: error }, 'upkeep of the leaf index failed; look-ups go on with the runs as they are')
    }
  }

  function age(): void {
    removed = { bytes: removed.bytes + fresh.bytes, runs: removed.runs + fresh.runs }
    fresh = { bytes: 0, runs: 0 }
  }

  function isReclaimDue(): boolean {
    const worth = deps.isSealing() ? bounded(RECLAIM, liveBytes) : RECLAIM_IDLE
    return removed.bytes >= worth || removed.runs >= RECLAIM_RUNS
  }

  async function reclaimIndex(): Promise<void> {
    if (!isReclaimDue()) return
    const taken = removed
    await reclaimPages(pool, ending.signal)
    // What a failed vacuum left is counted again.
    removed = { bytes: removed.bytes - taken.bytes, runs: removed.runs - taken.runs }
  }

  async function truncateSlots(lease: Lease): Promise<void> {
    if (!mayTruncate || performance.now() - slotsSeenAt < SLOT_LOOK_MS) return
    slotsSeenAt = performance.now()
    const least = deps.isSealing() ? SLOT_BYTES : SLOT_BYTES_IDLE
    const empty = (await readSlots(pool)).filter((slot) => slot.empty && slot.bytes >= least)
    const before = emptySlots
    emptySlots = new Set(empty.map(({ slot }) => slot))
    for (const { slot } of empty) if (before.has(slot)) await truncate(lease, slot)
  }

  async function truncate(lease: Lease, slot: number): Promise<void> {
    const client = await pool.connect()
    let failure: Error | undefined
    try {
      if (await truncateSlot(client, lease, slot)) emptySlots.delete(slot)
    } catch (error) {
      failure = error as Error
      if ((failure as { code?: unknown }).code !== INSUFFICIENT_PRIVILEGE) throw error
      mayTruncate = false
      logger.warn({ err: error }, 'the role may not truncate the intake log; autovacuum reuses its space')
    } finally {
      client.release(failure)
    }
  }

  return {
    afterBatch(lease) {
      due = true
      age()
      begin(lease)
    },
    whileIdle(lease) {
      age()
      if (due || isReclaimDue() || performance.now() - slotsSeenAt >= SLOT_LOOK_MS) begin(lease)
    },
    async close() {
      ending.abort(new Error('the daemon is stopping'))
      await underWay
    },
  }
}

const INSUFFICIENT_PRIVILEGE = '42501'

function bounded({ share, least, most }: { share: number; least: number; most: number }, of: number): number {
  return Math.min(most, Math.max(least, of * share))
}
