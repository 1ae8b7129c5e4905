import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely'
import pg from 'pg'
import type { Logger } from '../../core/ports.ts'
import { isDatabaseUnavailable } from './failures.ts'
import type { Schema } from './schema.ts'
import { openSessionPool } from './session/pool.ts'
import { sessionSettings } from './session/settings.ts'
import { parseDatabaseUrl } from './session/url.ts'
import { closeSilentConnections } from './silent-connections.ts'

/** A pool of connections; other rooms hold it and hand it to this room's functions. */
export type Pool = pg.Pool

/** One connection, for work that spans statements: a transaction, or a COPY that occupies it. */
export type Connection = pg.ClientBase

export type Database = {
  db: Kysely<Schema>
  pool: Pool
  /** Ends every connection, waiting for queries under way. */
  close(): Promise<void>
}

export type DatabaseOptions = {
  url: string
  poolSize: number
  /** application_name, so that an operator sees in pg_stat_activity which part of the daemon holds a connection. */
  name: string
  logger?: Logger
  /** The server refuses every write. */
  readOnly?: boolean
  /**
   * Longest a single statement may run, in ms; then the server ends it. From a server that does not answer at all, hung
   * or cut off, nothing is expected a second later: the connection is closed, and whether the statement was done is not
   * known. Not for COPY.
   */
  statementTimeoutMs?: number
  /**
   * For transactions that others wait for, under a lease: the server rolls back, and ends the session, when nothing has
   * come from a transaction's client for about this long between two statements, or its host is gone. At least 5 s.
   */
  abandonedAfterMs?: number
  /**
   * Statements with a name are planned once a connection and not for each call, which for look-ups of a few rows by their
   * keys would take several times as long as running them. The server plans anew when it learns more of a table. Nor does
   * it memoize the rows of inner loops, which look-ups run through once.
   */
  plansOnce?: boolean
  /**
   * What its sessions write past the server's memory goes on to the disk a megabyte at a time (`backend_flush_after`; no
   * effect on some systems). Otherwise the kernel keeps gigabytes back and writes them in one go, and commits wait meanwhile.
   */
  writesOut?: boolean
}

const INT8 = 20
/** How much longer than the server's own limit the client waits for its word. */
const ANSWER_GRACE_MS = 1_000
/** Less than this, and a busy moment would be taken for the end of a process. */
export const LEAST_ABANDONED_MS = 5_000

/**
 * A pool of its own, with kysely over it. Every session is set as session/settings.ts says before its first statement,
 * whatever the server, the role, a pooler or the URL say. `bigint` comes back as a number: ids and counts stay below 2^53.
 * @throws HoldfastError INVALID_CONFIG for a URL that cannot be used. Connecting may throw SessionRefusedError.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const address = parseDatabaseUrl(options.url)
  const { statementTimeoutMs } = options
  const pool = openSessionPool({
    url: options.url,
    address,
    settings: sessionSettings({
      applicationName: options.name,
      url: address.settings,
      own: ownSettings(options),
    }),
    config: {
      max: options.poolSize,
      application_name: options.name,
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
      // A new connection costs a SCRAM handshake, some 10 ms: too dear for a look-up after a quiet moment.
      idleTimeoutMillis: 300_000,
      types: { getTypeParser: ((oid: number, format: 'text' | 'binary') => parserOf(oid, format)) as never },
    },
  })
  // Without listeners, a connection that the server closes brings the process down: the pool's own is for idle ones,
  // each connection's for those in use, whose query fails as well.
  pool.on('error', (error) => options.logger?.warn({ err: error }, 'idle database connection lost'))
  pool.on('connect', (client) =>
    client.on('error', (error) => options.logger?.debug({ err: error }, 'connection lost')),
  )
  const silence =
    statementTimeoutMs === undefined
      ? undefined
      : closeSilentConnections(pool, statementTimeoutMs + ANSWER_GRACE_MS)
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: closingFailed(pool) }) })
  return {
    db,
    pool,
    async close() {
      // kysely ends the pool only when kysely itself has used it.
      await db.destroy()
      if (!pool.ending) await pool.end()
      silence?.stop()
    },
  }
}

function ownSettings(options: DatabaseOptions): Record<string, string | number> {
  const { abandonedAfterMs, statementTimeoutMs } = options
  return {
    ...(abandonedAfterMs !== undefined && abandonedAfter(abandonedAfterMs)),
    ...(options.plansOnce === true && { plan_cache_mode: 'force_generic_plan', enable_memoize: 'off' }),
    ...(options.writesOut === true && { backend_flush_after: '1MB' }),
    ...(options.readOnly === true && { default_transaction_read_only: 'on' }),
    ...(statementTimeoutMs !== undefined && { statement_timeout: statementTimeoutMs }),
  }
}

/**
 * Without these a transaction whose host has gone keeps its locks until the kernel's keepalive notices, after two hours;
 * one whose process was stopped, for ever.
 */
function abandonedAfter(wantedMs: number): Record<string, number> {
  const afterMs = Math.max(LEAST_ABANDONED_MS, wantedMs)
  const probeSeconds = Math.max(1, Math.floor(afterMs / 3_000))
  return {
    idle_in_transaction_session_timeout: afterMs,
    tcp_keepalives_idle: probeSeconds,
    tcp_keepalives_interval: probeSeconds,
    tcp_keepalives_count: 2,
    // For what was sent and never acknowledged: keepalives start only when nothing is under way.
    tcp_user_timeout: afterMs,
  }
}

/**
 * kysely gives connections back as if nothing had happened; one that failed, or whose answer is still awaited, must not
 * be used again.
 */
function closingFailed(pool: pg.Pool): PostgresPool {
  return {
    async connect() {
      const client = await pool.connect()
      let failure: Error | undefined
      const query = async (sql: string, parameters: unknown[]) => {
        try {
          return await client.query(sql, parameters)
        } catch (error) {
          if (isDatabaseUnavailable(error)) failure = error as Error
          throw error
        }
      }
      // Without cursors, which only kysely's streams use.
      return {
        query: query as unknown as PostgresPoolClient['query'],
        release: () => client.release(failure),
      }
    },
    end: () => pool.end(),
  }
}

function parserOf(oid: number, format: 'text' | 'binary'): unknown {
  if (oid === INT8 && format !== 'binary') return Number
  return pg.types.getTypeParser(oid, format)
}
