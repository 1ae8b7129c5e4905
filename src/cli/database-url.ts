import { loadConfig } from '../config/load.ts'
import { type Database, openDatabase } from '../store/database.ts'

/** DATABASE_URL, or else what the configuration says: commands on the database need no chain to be configured. */
export function databaseUrl(): string {
  return process.env.DATABASE_URL || loadConfig(process.env).database.url
}

/** Runs with a connection to that database, and closes it. */
export async function withDatabase<T>(run: (database: Database) => Promise<T>): Promise<T> {
  const database = openDatabase({ url: databaseUrl(), poolSize: 1, name: 'holdfast-cli' })
  try {
    return await run(database)
  } finally {
    await database.close()
  }
}
