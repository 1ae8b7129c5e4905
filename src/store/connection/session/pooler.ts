import pg from 'pg'
import { SessionRefusedError } from './prepare.ts'

/** Longer, and every server connection of the pooler is taken: then nothing can be said. */
const SECOND_SESSION_MS = 2_000
const PID = 'select pg_catalog.pg_backend_pid() as pid'

/** Poolers that keep a session, by address, for the life of this process. */
const keepsSession = new Set<string>()
const backends = new WeakMap<pg.ClientBase, number>()

/** The server process behind a connection of ours. pg's own number is a pooler's invention behind a pooler. */
export function backendOf(client: pg.ClientBase): number {
  const pid = backends.get(client)
  if (pid === undefined) throw new Error('this connection is not from a session pool')
  return pid
}

/**
 * Whether a pooler hands the connection's server session to others between two transactions, found out by asking: a second
 * connection opens a transaction, and must not get the first one's session. Asks no more once a pooler passed.
 * @param address the same for connections to one place
 * @throws SessionRefusedError
 */
export async function requireOwnSession(
  client: pg.ClientBase,
  address: string,
  config: pg.ClientConfig,
): Promise<void> {
  const pid = await pidOf(client)
  backends.set(client, pid)
  // A pooler makes up the number that the connection was opened with.
  const isDirect = (client as unknown as { processID: number | null }).processID === pid
  if (isDirect || keepsSession.has(address)) return
  const verdict = await secondSession(config, pid, () => pidOf(client))
  if (verdict === 'shared') {
    throw new SessionRefusedError(
      'DATABASE_URL leads to a connection pooler in transaction or statement mode (such as PgBouncer with pool_mode = transaction), which takes settings, prepared statements and leases away from the session. Use session mode, or connect to PostgreSQL directly.',
    )
  }
  if (verdict === 'own') keepsSession.add(address)
}

async function pidOf(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ pid: number }>(PID)
  return rows[0]!.pid
}

async function secondSession(
  config: pg.ClientConfig,
  first: number,
  firstNow: () => Promise<number>,
): Promise<'own' | 'shared' | 'unknown'> {
  const second = new pg.Client({ ...config, connectionTimeoutMillis: SECOND_SESSION_MS })
  second.on('error', () => undefined)
  const timer = setTimeout(() => destroy(second), SECOND_SESSION_MS)
  try {
    await second.connect()
    await second.query('begin')
    const isShared = (await pidOf(second)) === first || (await firstNow()) !== first
    await second.query('rollback')
    return isShared ? 'shared' : 'own'
  } catch (error) {
    return /statement pooling/.test((error as Error).message) ? 'shared' : 'unknown'
  } finally {
    clearTimeout(timer)
    void second.end().catch(() => undefined)
  }
}

function destroy(client: pg.Client): void {
  ;(client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
}
