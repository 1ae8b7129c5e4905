/**
 * In: hashes that no batch holds. Out: which of them are acknowledged and wait to be sealed. Anyone may ask, so one
 * search runs at a time, for all who asked meanwhile, and the database then rests for as long as it took.
 */
import { HoldfastError } from '../core/errors.ts'
import type { Pool } from '../store/connection/database.ts'
import { findPending, type PendingRecord } from '../store/intake/find-pending.ts'
import { intakeBacklog } from '../store/intake/intake.ts'

export type { PendingRecord }

/** Why hashes that were not found may wait all the same. */
export type Unsearched = {
  /** Hashes that wait to be sealed, those that were searched included. */
  waiting: number
  oldestReceivedAt: string | null
  /** The newest of them, which were searched. */
  searched: number
}

export type PendingAnswer = {
  /** One entry a hash, in order. */
  found: (PendingRecord | undefined)[]
  /** null when everything that waits was searched. */
  unsearched: Unsearched | null
}

export type PendingSearch = {
  /** @throws HoldfastError OVERLOADED, DATABASE_UNAVAILABLE */
  find(hashes: readonly Buffer[]): Promise<PendingAnswer>
}

/** 8 MiB of the intake log. */
const SEARCHED_HASHES = 262_144
/** Of all who share one search. */
const HASHES_AT_ONCE = 1_024
const ASKERS_AT_MOST = 1_024

type Asker = {
  hashes: readonly Buffer[]
  resolve(answer: PendingAnswer): void
  reject(error: unknown): void
}

export function createPendingSearch(pool: Pool, searchedHashes: number = SEARCHED_HASHES): PendingSearch {
  const waiting: Asker[] = []
  let busy = false

  async function run(): Promise<void> {
    if (busy || waiting.length === 0) return
    busy = true
    const group = takeGroup(waiting)
    const startedAt = performance.now()
    try {
      const { found, complete } = await findPending(
        pool,
        group.flatMap(({ hashes }) => hashes),
        searchedHashes,
      )
      const unsearched = complete ? null : await describeBacklog(pool, searchedHashes)
      let at = 0
      for (const { hashes, resolve } of group) {
        resolve({ found: found.slice(at, at + hashes.length), unsearched })
        at += hashes.length
      }
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
    setTimeout(() => {
      busy = false
      void run()
    }, performance.now() - startedAt).unref()
  }

  return {
    find(hashes) {
      if (waiting.length >= ASKERS_AT_MOST) {
        const detail = 'Too many hashes are being looked for among those that wait to be sealed; ask again.'
        return Promise.reject(new HoldfastError('OVERLOADED', detail, { retryAfter: 2 }))
      }
      return new Promise((resolve, reject) => {
        waiting.push({ hashes, resolve, reject })
        void run()
      })
    },
  }
}

/** As many as one search may seek, and at least one asker. */
function takeGroup(waiting: Asker[]): Asker[] {
  let count = 0
  let hashes = 0
  while (count < waiting.length) {
    hashes += waiting[count]!.hashes.length
    if (count > 0 && hashes > HASHES_AT_ONCE) break
    count++
  }
  return waiting.splice(0, count)
}

async function describeBacklog(pool: Pool, searched: number): Promise<Unsearched> {
  const { leaves, oldestMs } = await intakeBacklog(pool)
  const oldestReceivedAt = oldestMs === null ? null : new Date(oldestMs).toISOString()
  return { waiting: leaves, oldestReceivedAt, searched: Math.min(searched, leaves) }
}
