import pg from 'pg'
import { SessionRefusedError } from './prepare.ts'

/** Longer, and every server connection of the pooler is taken: then nothing can be said. */
const SECOND_SESSION_MS = 2_000
const TRANSACTIONS = 5
const PID = 'select pg_catalog.pg_backend_pid() as pid'

type Verdict = 'own' | 'shared' | 'unknown'

/** By address, for the life of this process: what was found out, or is being found out. An unknown one is asked again. */
const verdicts = new Map<string, Promise<Verdict>>()
const backends = new WeakMap<pg.ClientBase, number>()

/** The server process behind a connection of ours. pg's own number is a pooler's invention behind a pooler. */
export function backendOf(client: pg.ClientBase): number {
  const pid = backends.get(client)
  if (pid === undefined) throw new Error('this connection is not from a session pool')
  return pid
}

/**
 * Whether a pooler hands the connection's server session to others between two transactions, found out by asking: a second
 * connection opens transactions, and must not get the first one's session. Asked once for each address; connections that
 * are opened meanwhile wait, so as not to take the session that is looked for.
 * @param address the same for connections to one place
 * @throws SessionRefusedError
 */
export async function requireOwnSession(
  client: pg.ClientBase,
  address: string,
  config: pg.ClientConfig,
): Promise<void> {
  let verdict = verdicts.get(address)
  if (verdict === undefined) {
    verdict = judge(client, config)
    verdicts.set(address, verdict)
    const forget = () => void verdicts.delete(address)
    verdict.then((said) => said !== 'own' && forget(), forget)
  }
  if ((await verdict) === 'shared') {
    throw new SessionRefusedError(
      'DATABASE_URL leads to a connection pooler in transaction or statement mode (such as PgBouncer with pool_mode = transaction), which takes settings, prepared statements and leases away from the session. Use session mode, or connect to PostgreSQL directly.',
    )
  }
  backends.set(client, await pidOf(client))
}

async function judge(client: pg.ClientBase, config: pg.ClientConfig): Promise<Verdict> {
  const pid = await pidOf(client)
  // A pooler makes up the number that the connection was opened with.
  const isDirect = (client as unknown as { processID: number | null }).processID === pid
  return isDirect ? 'own' : askSecondSession(config, pid, () => pidOf(client))
}

async function pidOf(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ pid: number }>(PID)
  return rows[0]!.pid
}

/** Several transactions: in a busy pooler another client may have the first session just then. */
async function askSecondSession(
  config: pg.ClientConfig,
  first: number,
  firstNow: () => Promise<number>,
): Promise<Verdict> {
  const second = new pg.Client({ ...config, connectionTimeoutMillis: SECOND_SESSION_MS })
  second.on('error', () => undefined)
  const timer = setTimeout(() => destroy(second), SECOND_SESSION_MS)
  try {
    await second.connect()
    for (let asked = 0; asked < TRANSACTIONS; asked += 1) {
      await second.query('begin')
      const isShared = (await pidOf(second)) === first || (await firstNow()) !== first
      await second.query('rollback')
      if (isShared) return 'shared'
    }
    return 'own'
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
