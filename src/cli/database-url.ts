import { loadDatabaseUrl } from '../config/load.ts'
import { HoldfastError } from '../core/errors.ts'
import { type Database, openDatabase } from '../store/connection/database.ts'
import { isDatabaseUnavailable } from '../store/connection/unavailable.ts'

/** SQLSTATEs of a server that answers but lets this user, or this database's name, not in. */
const NOT_LET_IN = /^(28|3D000|42501)/

/**
 * Runs with the configured database's URL: commands on the database need no chain to be configured.
 * @throws HoldfastError DATABASE_UNAVAILABLE or INVALID_CONFIG, which say where it was looked for and never the password
 */
export async function onDatabase<T>(run: (url: string) => Promise<T>): Promise<T> {
  const url = loadDatabaseUrl(process.env)
  try {
    return await run(url)
  } catch (error) {
    const cause = error instanceof HoldfastError ? error.cause : error
    const { code, message } = (cause ?? {}) as { code?: unknown; message?: string }
    // A connection tried on several addresses fails with a list and no message of its own.
    const why = message || String(code)
    const place = placeOf(url)
    if (isDatabaseUnavailable(cause)) {
      throw new HoldfastError('DATABASE_UNAVAILABLE', `The database ${place} cannot be reached: ${why}.`, {
        cause,
      })
    }
    if (typeof code === 'string' && NOT_LET_IN.test(code)) {
      throw new HoldfastError('INVALID_CONFIG', `The database ${place} refuses: ${why}. See DATABASE_URL.`, {
        cause,
      })
    }
    throw error
  }
}

/** Runs with one connection to that database, and closes it. */
export function withDatabase<T>(run: (database: Database) => Promise<T>): Promise<T> {
  return onDatabase(async (url) => {
    const database = openDatabase({ url, poolSize: 1, name: 'holdfast-cli' })
    try {
      return await run(database)
    } finally {
      await database.close()
    }
  })
}

function placeOf(url: string): string {
  if (!URL.canParse(url)) return 'of DATABASE_URL'
  const { host, pathname } = new URL(url)
  return `${pathname.slice(1)} at ${host || 'this machine'}`
}
