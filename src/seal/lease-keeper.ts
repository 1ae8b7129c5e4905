import type { Logger } from '../core/ports.ts'
import { withStalledHolderEviction } from '../store/connection/abandoned.ts'
import { LEAST_ABANDONED_MS, type Pool } from '../store/connection/database.ts'
import {
  acquireLease,
  endFormerHolders,
  type Lease,
  releaseLease,
  renewLease,
} from '../store/connection/leases.ts'

export type LeaseKeeper = {
  /** The lease; acquired where this daemon has none, null while another holds it. */
  hold(): Promise<Lease | null>
  /** Whether this is the lease that is held now. */
  holds(lease: Lease): boolean
  /** Forgets the lease: its epoch has passed. */
  drop(): void
  /** Stops renewing and lets the next daemon take over at once. */
  release(): Promise<void>
}

/**
 * Holds a lease and renews it on a timer of this thread, also while a batch is under way. A thread that is stuck, or
 * whose work is, renews nothing and loses it after `ttlMs`.
 * @param isStuck asked before each renewal; true skips it
 */
export function createLeaseKeeper(deps: {
  pool: Pool
  name: string
  owner: string
  ttlMs: number
  isStuck: () => boolean
  onChange: (holds: boolean) => void
  logger: Logger
}): LeaseKeeper {
  const { pool, name, owner, ttlMs, logger } = deps
  let lease: Lease | null = null
  let released = false

  function set(next: Lease | null): void {
    if ((lease === null) !== (next === null)) deps.onChange(next !== null)
    lease = next
  }

  async function renew(): Promise<void> {
    const held = lease
    if (held === null || deps.isStuck()) return
    try {
      if (await renewLease(pool, held, ttlMs)) return
      if (lease !== held) return
      logger.warn({ lease: name, epoch: held.epoch }, 'seal lease lost to another daemon')
      set(null)
    } catch (error) {
      // It may be renewed the next time; else the epoch refuses what is written too late.
      logger.warn({ err: error, lease: name }, 'seal lease could not be renewed')
    }
  }
  const renewal = setInterval(() => void renew(), ttlMs / 3)

  async function acquire(): Promise<Lease | null> {
    const taken = await withStalledHolderEviction(
      pool,
      { afterMs: Math.max(LEAST_ABANDONED_MS, ttlMs), logger },
      (client) => acquireLease(client, name, owner, ttlMs),
    )
    if (taken === null) return null
    if (released) {
      await releaseLease(pool, taken)
      return null
    }
    try {
      const ended = await endFormerHolders(pool, taken)
      if (ended > 0) logger.warn({ lease: name, sessions: ended }, 'ended sessions of a former seal lease')
    } catch (error) {
      // Of another role, perhaps. What such a session holds is waited for.
      logger.warn({ err: error, lease: name }, 'sessions of a former seal lease could not be ended')
    }
    return taken
  }

  return {
    async hold() {
      if (lease === null && !released) set(await acquire())
      return lease
    },
    holds: (wanted) => lease === wanted,
    drop: () => set(null),
    async release() {
      released = true
      clearInterval(renewal)
      const held = lease
      set(null)
      if (held !== null) await releaseLease(pool, held)
    },
  }
}
