import type { Socket } from 'node:net'
import pg from 'pg'
import { requireOwnSession } from './pooler.ts'
import { setSession, settingStatement } from './prepare.ts'
import { STARTUP_OPTIONS } from './settings.ts'
import type { DatabaseAddress } from './url.ts'

/** For the statements that set a new session, together. */
const PREPARED_WITHIN_MS = 10_000

/** SQLSTATEs with which poolers, and servers that do not know a setting, refuse options in the startup message. */
const OPTIONS_REFUSED: ReadonlySet<unknown> = new Set(['08P01', '0A000', '42704'])

/**
 * A pool that hands out no session before it is set and checked. A pooler that takes no options at startup gets none.
 * @param url tells places apart
 */
export function openSessionPool(options: {
  url: string
  address: DatabaseAddress
  settings: ReadonlyMap<string, string>
  config: pg.PoolConfig
}): pg.Pool {
  const { connection } = options.address
  const statement = settingStatement(options.settings)
  const pool = new pg.Pool({
    ...connection,
    ...options.config,
    options: STARTUP_OPTIONS,
    Client: ClosingClient,
    onConnect: (client) =>
      withLimit(client, async () => {
        client.on('notice', (notice) => closeIfUnreplicated(client, notice))
        await requireOwnSession(client, options.url, connection)
        await setSession(client, statement)
      }),
  })
  retryWithoutOptions(pool)
  return pool
}

/** Leaves no half-open connection when connecting fails; pg does, where it has no password to give. */
class ClosingClient extends pg.Client {
  override connect(): Promise<this>
  override connect(callback: (error: Error) => void): void
  override connect(callback?: (error: Error) => void): Promise<this> | undefined {
    if (callback === undefined) return super.connect() as Promise<this>
    super.connect((error: Error) => {
      if (error) socketOf(this).destroy()
      callback(error)
    })
    return undefined
  }
}

/**
 * Whoever cancels a commit's wait for the synchronous standby has the server call the commit done, with a warning. For us
 * it is not: the connection is closed, so that its statement fails, and whether it was done counts as not known.
 */
function closeIfUnreplicated(client: pg.ClientBase, { routine }: { routine?: string | undefined }): void {
  if (routine !== 'SyncRepWaitForLSN') return
  socketOf(client).destroy(
    new Error('Connection terminated: the wait for the synchronous standby was cancelled'),
  )
}

async function withLimit(client: pg.ClientBase, work: () => Promise<void>): Promise<void> {
  const timer = setTimeout(() => {
    socketOf(client).destroy(new Error(`Connection terminated: no session within ${PREPARED_WITHIN_MS} ms`))
  }, PREPARED_WITHIN_MS)
  try {
    await work()
  } finally {
    clearTimeout(timer)
  }
}

type Connected = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  done: (release?: unknown) => void,
) => void

/** A pool connects from one place, which `query` uses too. */
function retryWithoutOptions(pool: pg.Pool): void {
  const connect = pool.connect.bind(pool) as (callback: Connected) => void
  const connectOrRetry = (callback: Connected) =>
    connect((error, client, done) => {
      if (!OPTIONS_REFUSED.has((error as { code?: unknown } | undefined)?.code))
        return callback(error, client, done)
      ;(pool.options as pg.PoolConfig).options = ''
      connect(callback)
    })
  pool.connect = ((callback?: Connected) => {
    if (callback !== undefined) return connectOrRetry(callback)
    return new Promise<pg.PoolClient>((resolve, reject) => {
      connectOrRetry((error, client) => (error ? reject(error) : resolve(client!)))
    })
  }) as typeof pool.connect
}

function socketOf(client: pg.ClientBase): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream
}
