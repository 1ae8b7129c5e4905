import type { Anchorer } from '../anchor/anchorer.ts'
import type { Logger } from '../core/ports.ts'
import type { HealthCheck, HealthReader } from '../http/deps.ts'
import type { Database } from '../store/connection/database.ts'
import { pendingMigrations } from '../store/connection/migrate.ts'
import { oldestAgeMs } from '../store/intake/intake.ts'
import { PATIENCE_MS, withPatience } from './patience.ts'

/** Sealing that is this much later than its age is a fault, not a busy moment. */
const SEAL_GRACE_MS = 30_000

/**
 * Whether the daemon can serve, and whether everything behind it moves. Anyone may ask, and often: what the database
 * said of itself is for the log, no check reads more than a few rows, and who asks while a check is under way shares it.
 */
export function createHealth(deps: {
  database: Database
  checkIngest: () => Promise<HealthCheck>
  chains: readonly { anchorer: Pick<Anchorer, 'status'> }[]
  clocks: () => HealthCheck[]
  logger: Logger
  sealMaxAgeMs: number
}): HealthReader {
  const { database, checkIngest, chains, clocks, logger } = deps
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
      logger.warn({ err: error }, 'the database does not answer a health check')
      return { name: 'database', ok: false, detail: 'cannot be reached; the log says why' }
    }
  }

  async function checkSealing(): Promise<HealthCheck> {
    try {
      const ageMs = await oldestAgeMs(database.pool)
      if (ageMs === null) return { name: 'sealing', ok: true, detail: 'nothing waits' }
      const ok = ageMs < deps.sealMaxAgeMs + SEAL_GRACE_MS
      return { name: 'sealing', ok, detail: `the oldest hash waits for ${Math.max(0, ageMs) / 1000} s` }
    } catch (error) {
      logger.warn({ err: error }, 'the backlog could not be read for a health check')
      return { name: 'sealing', ok: false, detail: 'unknown while the database cannot be read' }
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

  const databaseCheck = withPatience(checkDatabase, late('database'))
  const sealingCheck = withPatience(checkSealing, late('sealing'))
  return {
    ready: () => Promise.all([databaseCheck(), checkIngest()]),
    all: async () => [
      ...(await Promise.all([databaseCheck(), checkIngest(), sealingCheck()])),
      ...chains.map(({ anchorer }) => checkChain(anchorer)),
      ...clocks(),
    ],
  }
}

const late = (name: string): HealthCheck => ({
  name,
  ok: false,
  detail: `no answer within ${PATIENCE_MS / 1000} s`,
})
