import type { Anchorer } from './anchor/anchorer.ts'
import type { Clock } from './core/ports.ts'
import type { HealthCheck, HealthReader } from './http/deps.ts'
import type { Database } from './store/database.ts'
import { intakeBacklog } from './store/intake.ts'
import { pendingMigrations } from './store/migrate.ts'

/** Sealing that is this much later than its age is a fault, not a busy moment. */
const SEAL_GRACE_MS = 30_000

/** Whether the daemon can serve, and whether everything behind it moves. */
export function createHealth(deps: {
  database: Database
  chains: readonly { anchorer: Pick<Anchorer, 'status'> }[]
  clock: Clock
  sealMaxAgeMs: number
}): HealthReader {
  const { database, chains, clock } = deps
  let migrated = false

  async function checkDatabase(): Promise<HealthCheck> {
    try {
      await database.pool.query('select 1')
      if (migrated) return { name: 'database', ok: true, detail: 'answers' }
      const pending = await pendingMigrations(database)
      migrated = pending.length === 0
      const detail = migrated ? 'answers' : `lacks ${pending.join(', ')}: run holdfast migrate`
      return { name: 'database', ok: migrated, detail }
    } catch (error) {
      return { name: 'database', ok: false, detail: `cannot be reached: ${(error as Error).message}` }
    }
  }

  async function checkSealing(): Promise<HealthCheck> {
    try {
      const { leaves, oldestMs } = await intakeBacklog(database.pool)
      const ageMs = oldestMs === null ? 0 : clock.now() - oldestMs
      const ok = ageMs < deps.sealMaxAgeMs + SEAL_GRACE_MS
      return {
        name: 'sealing',
        ok,
        detail: `${leaves} hashes wait, the oldest for ${Math.max(0, ageMs) / 1000} s`,
      }
    } catch (error) {
      return { name: 'sealing', ok: false, detail: `unknown: ${(error as Error).message}` }
    }
  }

  function checkChain(anchorer: Pick<Anchorer, 'status'>): HealthCheck {
    const { chainId, reason, detail } = anchorer.status()
    return {
      name: `chain ${chainId}`,
      ok: reason === null,
      detail: reason ? `${reason}: ${detail ?? ''}` : 'anchoring',
    }
  }

  return {
    ready: async () => [await checkDatabase()],
    all: async () => [
      ...(await Promise.all([checkDatabase(), checkSealing()])),
      ...chains.map(({ anchorer }) => checkChain(anchorer)),
    ],
  }
}
