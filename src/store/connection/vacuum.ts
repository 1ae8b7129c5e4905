import type { Pool } from './database.ts'
import { backendOf } from './session/pooler.ts'

/**
 * Runs VACUUM, which nothing but its own connection can be used for meanwhile.
 * @param what options and tables, as VACUUM takes them
 * @param signal when it aborts, the server is told to stop; resolves all the same
 */
export async function vacuum(pool: Pool, what: string, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const client = await pool.connect()
  const cancel = () => {
    // Of no consequence when it fails: the server ends the vacuum by itself.
    pool.query('select pg_cancel_backend($1)', [backendOf(client)]).catch(() => undefined)
  }
  signal.addEventListener('abort', cancel)
  let failed = true
  try {
    await client.query(`vacuum ${what}`)
    failed = false
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', cancel)
    client.release(failed)
  }
}
