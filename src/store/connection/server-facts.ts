import type pg from 'pg'

export type ServerFacts = {
  version: string
  /** Such as 150004 for 15.4. */
  versionNumber: number
  /** Whether commits survive a loss of power. */
  durable: boolean
  /** Whether it follows another server, and takes no writes. */
  standby: boolean
}

/** The server's clock, ms since the epoch. */
export async function readServerClock(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ ms: number }>(
    'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
  )
  return rows[0]!.ms
}

/** What an operator should know of the server itself. */
export async function readServerFacts(pool: pg.Pool): Promise<ServerFacts> {
  const { rows } = await pool.query<ServerFacts>(
    `select current_setting('server_version') as version,
       current_setting('server_version_num')::int as "versionNumber",
       current_setting('fsync') = 'on' and current_setting('full_page_writes') = 'on' as durable,
       pg_is_in_recovery() as standby`,
  )
  return rows[0]!
}
