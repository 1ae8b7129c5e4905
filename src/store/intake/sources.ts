/** Who may use the API. A key is shown once, when it is made; the database holds only its SHA-256. */
import { createHash, randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { HoldfastError } from '../../core/errors.ts'
import { asStoreError, isDatabaseUnavailable } from '../connection/failures.ts'
import type { Queries } from '../connection/schema.ts'

const SCOPES = ['ingest', 'audit', 'admin'] as const
/** `ingest` pushes hashes, `audit` reads lists and tiles, `admin` may do everything. */
export type Scope = (typeof SCOPES)[number]

export type Source = { id: number; name: string; scopes: readonly Scope[] }

export type SourceRow = Source & { createdAt: Date; revokedAt: Date | null }

const KEY_PREFIX = 'hf_'
const UNIQUE_VIOLATION = '23505'

/** SHA-256 (32 bytes) of an API key's text, as `source.key_hash` holds it. */
export function hashApiKey(key: string): Buffer {
  return createHash('sha256').update(key, 'utf8').digest()
}

/**
 * Makes a source with a fresh key of 32 random bytes.
 * @returns the key, which cannot be had again
 * @throws HoldfastError INVALID_REQUEST when the name is empty or taken or a scope is unknown; DATABASE_UNAVAILABLE
 */
export async function createSource(
  db: Queries,
  { name, scopes }: { name: string; scopes: readonly string[] },
): Promise<{ source: Source; key: string }> {
  if (!/^\S(.{0,98}\S)?$/u.test(name)) {
    throw new HoldfastError('INVALID_REQUEST', 'A source needs a name of 1 to 100 characters on one line.')
  }
  const unknown = scopes.find((scope) => !SCOPES.includes(scope as Scope))
  if (unknown !== undefined || scopes.length === 0) {
    const what = unknown === undefined ? 'No scope given' : `Unknown scope ${JSON.stringify(unknown)}`
    throw new HoldfastError('INVALID_REQUEST', `${what}; scopes are ${SCOPES.join(', ')}.`)
  }
  const key = `${KEY_PREFIX}${randomBytes(32).toString('base64url')}`
  const granted = SCOPES.filter((scope) => scopes.includes(scope))
  try {
    const { id } = await db
      .insertInto('source')
      .values({ name, key_hash: hashApiKey(key), scopes: granted })
      .returning('id')
      .executeTakeFirstOrThrow()
    return { source: { id, name, scopes: granted }, key }
  } catch (error) {
    if ((error as { code?: unknown }).code === UNIQUE_VIOLATION) {
      throw new HoldfastError('INVALID_REQUEST', `A source named ${JSON.stringify(name)} exists already.`, {
        cause: error,
      })
    }
    // The answer may be what was lost: nobody else can have made this key.
    const made = isDatabaseUnavailable(error) ? await findByKeyHash(db, hashApiKey(key)) : null
    if (made !== null) return { source: made, key }
    throw asStoreError(error)
  }
}

/** Every source, revoked ones included, oldest first. */
export async function listSources(db: Queries): Promise<SourceRow[]> {
  try {
    return await db
      .selectFrom('source')
      .select(['id', 'name', 'scopes', 'created_at as createdAt', 'revoked_at as revokedAt'])
      .orderBy('id')
      .execute()
  } catch (error) {
    throw asStoreError(error)
  }
}

/**
 * Ends a source's access for good; what it pushed stays. Daemons notice within 5 seconds.
 * @returns false when there is no such source or it was revoked before
 */
export async function revokeSource(db: Queries, name: string): Promise<boolean> {
  try {
    const { numUpdatedRows } = await db
      .updateTable('source')
      .set({ revoked_at: sql<Date>`now()` })
      .where('name', '=', name)
      .where('revoked_at', 'is', null)
      .executeTakeFirst()
    return numUpdatedRows === 1n
  } catch (error) {
    throw asStoreError(error)
  }
}

/** The source that holds the key with this SHA-256, or null when there is none or it was revoked. */
export async function findByKeyHash(db: Queries, keyHash: Buffer): Promise<Source | null> {
  try {
    const source = await db
      .selectFrom('source')
      .select(['id', 'name', 'scopes'])
      .where('key_hash', '=', keyHash)
      .where('revoked_at', 'is', null)
      .executeTakeFirst()
    return source ?? null
  } catch (error) {
    throw asStoreError(error)
  }
}
