import { loadDatabaseUrl } from '../config/load.ts'
import { HoldfastError } from '../core/errors.ts'
import { type Database, openDatabase } from '../store/connection/database.ts'
import { asStoreError, databaseFailure, isAnswer, isSchemaMissing } from '../store/connection/failures.ts'
import { SessionRefusedError } from '../store/connection/session/prepare.ts'

/**
 * Runs with the configured database's URL: commands on the database need no chain to be configured.
 * @throws HoldfastError as {@link explained} does
 */
export function onDatabase<T>(run: (url: string) => Promise<T>): Promise<T> {
  const url = loadDatabaseUrl(process.env)
  const storeError = (error: unknown) => Promise.reject(asStoreError(error))
  return explained(url, () => run(url).catch(storeError))
}

/**
 * Passes on the result, and says of a database that fails which one it is, and why, never with the password.
 * @param options startsAgain: whoever runs this tries again by itself, so that a configuration which somebody must see to
 *   first (a rotated password, a role that is missing) counts as unavailable too
 * @throws HoldfastError DATABASE_UNAVAILABLE or INVALID_CONFIG
 */
export async function explained<T>(
  url: string,
  run: () => Promise<T>,
  options: { startsAgain: boolean } = { startsAgain: false },
): Promise<T> {
  try {
    return await run()
  } catch (error) {
    // An error of another kind may be a chain's.
    const known = isAnswer(error) || error instanceof SessionRefusedError ? asStoreError(error) : error
    if (!(known instanceof HoldfastError) || known.code !== 'DATABASE_UNAVAILABLE') throw error
    const { cause } = known
    if (cause instanceof SessionRefusedError)
      throw new HoldfastError('INVALID_CONFIG', cause.message, { cause })
    const failure = databaseFailure(cause)
    if (failure === null || failure.kind === 'ours') throw error
    const place = `The database ${placeOf(url)}`
    const { code, message } = cause as { code?: unknown; message: string }
    if (isSchemaMissing(cause)) {
      const todo = 'Run `holdfast migrate` with the same DATABASE_URL first.'
      throw new HoldfastError('INVALID_CONFIG', `${place} is not migrated to this version. ${todo}`, {
        cause,
      })
    }
    // A connection tried on several addresses fails with a list and no message of its own.
    const said = message || String(code)
    if (failure.kind === 'transient') {
      const what = isAnswer(cause)
        ? `cannot serve now: ${failure.why}: ${said}`
        : `cannot be reached: ${said}`
      throw new HoldfastError('DATABASE_UNAVAILABLE', `${place} ${what}.`, { cause })
    }
    const kind = options.startsAgain ? 'DATABASE_UNAVAILABLE' : 'INVALID_CONFIG'
    throw new HoldfastError(kind, `${place} refuses: ${said}. See DATABASE_URL.`, { cause })
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
