import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import type { Logger } from '../core/ports.ts'
import type { Schema } from './schema.ts'

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
  /** Longest a single statement may run, in ms. */
  statementTimeoutMs?: number
}

const INT8 = 20

/**
 * A pool of its own, with kysely over it. Every session runs with `synchronous_commit = on` whatever the server or the
 * URL say, because an acknowledgement rests on it. `bigint` comes back as a number: ids and counts stay below 2^53.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const { url, sessionOptions } = withoutSessionOptions(options.url)
  const pool = new pg.Pool({
    connectionString: url,
    max: options.poolSize,
    application_name: options.name,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    // A new connection costs a SCRAM handshake, some 10 ms: too dear for a look-up after a quiet moment.
    idleTimeoutMillis: 300_000,
    // The server takes the last of several: the URL's own come first.
    options: [
      ...sessionOptions,
      '-c synchronous_commit=on',
      ...(options.readOnly === true ? ['-c default_transaction_read_only=on'] : []),
    ].join(' '),
    ...(options.statementTimeoutMs === undefined ? {} : { statement_timeout: options.statementTimeoutMs }),
    types: { getTypeParser: ((oid: number, format: 'text' | 'binary') => parserOf(oid, format)) as never },
  })
  // Without listeners, a connection that the server closes brings the process down: the pool's own is for idle ones,
  // each connection's for those in use, whose query fails as well.
  pool.on('error', (error) => options.logger?.warn({ err: error }, 'idle database connection lost'))
  pool.on('connect', (client) =>
    client.on('error', (error) => options.logger?.debug({ err: error }, 'connection lost')),
  )
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) })
  return {
    db,
    pool,
    async close() {
      // kysely ends the pool only when kysely itself has used it.
      await db.destroy()
      if (!pool.ending) await pool.end()
    },
  }
}

/** pg lets `?options=` of the URL replace the pool's, so the two are taken apart and joined in one order. */
function withoutSessionOptions(text: string): { url: string; sessionOptions: string[] } {
  if (!URL.canParse(text)) return { url: text, sessionOptions: [] }
  const url = new URL(text)
  const sessionOptions = url.searchParams.getAll('options')
  if (sessionOptions.length === 0) return { url: text, sessionOptions }
  url.searchParams.delete('options')
  return { url: url.href, sessionOptions }
}

function parserOf(oid: number, format: 'text' | 'binary'): unknown {
  if (oid === INT8 && format !== 'binary') return Number
  return pg.types.getTypeParser(oid, format)
}
