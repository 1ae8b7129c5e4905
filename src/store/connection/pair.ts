import type { Socket } from 'node:net'
import type pg from 'pg'
import type { Connection, Pool } from './database.ts'

/**
 * Runs work that reads on one connection while it writes on another.
 * @param signal when it aborts, both connections are cut off: the server rolls back, and the work rejects with the
 *   signal's reason or with the loss of its connection
 */
export async function withPair<T>(
  pool: Pool,
  signal: AbortSignal,
  work: (reader: Connection, writer: Connection) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  const clients: pg.PoolClient[] = []
  const cut = () => {
    for (const client of clients) socketOf(client).destroy(signal.reason as Error)
  }
  let failed = true
  signal.addEventListener('abort', cut)
  try {
    for (let n = 0; n < 2; n++) clients.push(await pool.connect())
    signal.throwIfAborted()
    const [reader, writer] = clients as [pg.PoolClient, pg.PoolClient]
    const result = await work(reader, writer)
    failed = false
    return result
  } finally {
    signal.removeEventListener('abort', cut)
    // A connection that failed halfway may still be inside a COPY: never reuse it.
    for (const client of clients) client.release(failed)
  }
}

/** Not in pg's types. */
function socketOf(client: pg.PoolClient): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream
}
