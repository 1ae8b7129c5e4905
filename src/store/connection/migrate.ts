import { type Migration, Migrator } from 'kysely'
import { HoldfastError } from '../../core/errors.ts'
import { type Database, openDatabase } from './database.ts'
import { asStoreError } from './failures.ts'
import * as initial from './migrations/0001-initial.ts'
import * as shorterReads from './migrations/0002-shorter-reads.ts'
import * as sourcesInIntake from './migrations/0003-sources-in-intake.ts'
import * as anchorsByRoot from './migrations/0004-anchors-by-root.ts'
import * as gasAndNonces from './migrations/0005-gas-and-nonces.ts'
import * as mergingRuns from './migrations/0006-merging-runs.ts'
import * as intakeSlots from './migrations/0007-intake-slots.ts'
import * as chainStarts from './migrations/0008-chain-starts.ts'

export const MIGRATIONS: Record<string, Migration> = {
  '0001-initial': initial,
  '0002-shorter-reads': shorterReads,
  '0003-sources-in-intake': sourcesInIntake,
  '0004-anchors-by-root': anchorsByRoot,
  '0005-gas-and-nonces': gasAndNonces,
  '0006-merging-runs': mergingRuns,
  '0007-intake-slots': intakeSlots,
  '0008-chain-starts': chainStarts,
}

/** Brings the database up to this version's schema; safe to run from several processes at once. Returns what was applied. */
export async function migrateToLatest(databaseUrl: string): Promise<string[]> {
  const database = openDatabase({ url: databaseUrl, poolSize: 1, name: 'holdfast-migrate' })
  try {
    const { error, results } = await migratorOf(database).migrateToLatest()
    if (error) throw error
    return (results ?? []).filter((each) => each.status === 'Success').map((each) => each.migrationName)
  } finally {
    await database.close()
  }
}

/** Names of the migrations that the database still lacks. */
export async function pendingMigrations(database: Database): Promise<string[]> {
  const all = await migratorOf(database).getMigrations()
  return all.filter((each) => each.executedAt === undefined).map((each) => each.name)
}

/** @throws HoldfastError INVALID_CONFIG when the schema is older than this version of Holdfast */
export async function requireMigrated(database: Database): Promise<void> {
  const pending = await pendingMigrations(database).catch((error: unknown) => {
    throw asStoreError(error)
  })
  if (pending.length > 0) {
    throw new HoldfastError(
      'INVALID_CONFIG',
      `The database lacks ${pending.join(', ')}. Run \`holdfast migrate\` with the same DATABASE_URL first.`,
    )
  }
}

function migratorOf(database: Database): Migrator {
  return new Migrator({ db: database.db, provider: { getMigrations: async () => MIGRATIONS } })
}
