import type { Logger } from '../../core/ports.ts'
import type { Connection, Pool } from './database.ts'
import { backendOf } from './session/pooler.ts'

/**
 * Runs work that may wait for a lock, and meanwhile ends those of our own sessions it waits for whose client has
 * stopped: they wait for it, and nothing has come for `afterMs`. PostgreSQL's own limit on idle transactions counts
 * only between statements, and most of a sealing transaction is one COPY, which would wait for a stopped process for
 * ever. A client that is only slow sends now and then, and is let be.
 * @param run gets a connection to itself
 */
export async function withStalledHolderEviction<T>(
  pool: Pool,
  options: { afterMs: number; logger: Logger },
  run: (client: Connection) => Promise<T>,
): Promise<T> {
  const { afterMs, logger } = options
  const client = await pool.connect()
  let failure: Error | undefined
  let timer: NodeJS.Timeout | undefined
  try {
    const waiter = backendOf(client)
    let before = new Map<number, string>()
    const look = async () => {
      const now = await blockersOf(pool, waiter)
      for (const [pid, progress] of now) {
        if (before.get(pid) !== progress) continue
        logger.warn({ pid, afterMs }, 'ending a session whose client has stopped and which holds a lease')
        await pool.query('select pg_terminate_backend($1)', [pid])
      }
      before = now
    }
    timer = setInterval(() => {
      look().catch((error: unknown) => logger.warn({ err: error }, 'who holds a lease could not be read'))
    }, afterMs)
    return await run(client)
  } catch (error) {
    failure = error as Error
    throw error
  } finally {
    clearInterval(timer)
    client.release(failure)
  }
}

/** Sessions of this part of a daemon that `waiter` waits for and that wait for their client, with how far each has come. */
async function blockersOf(pool: Pool, waiter: number): Promise<Map<number, string>> {
  const { rows } = await pool.query<{ pid: number; progress: string }>(
    `select a.pid, concat_ws(' ', a.backend_start, a.query_start, a.state_change, c.bytes_processed) as progress
     from unnest(pg_blocking_pids($1)) as blocker (pid)
     join pg_stat_activity a on a.pid = blocker.pid
     left join pg_stat_progress_copy c on c.pid = a.pid
     where a.wait_event = 'ClientRead' and a.application_name = current_setting('application_name')`,
    [waiter],
  )
  return new Map(rows.map(({ pid, progress }) => [pid, progress]))
}
