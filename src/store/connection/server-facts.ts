import type pg from 'pg'

export type ServerFacts = {
  version: string
  /** Such as 150004 for 15.4. */
  versionNumber: number
  /** The server's clock, ms since the epoch. */
  nowMs: number
  /** Whether commits survive a loss of power. */
  durable: boolean
}

/** What an operator should know of the server itself. */
export async function readServerFacts(pool: pg.Pool): Promise<ServerFacts> {
  const { rows } = await pool.query<ServerFacts>(
    `select current_setting('server_version') as version,
       current_setting('server_version_num')::int as "versionNumber",
       (extract(epoch from clock_timestamp()) * 1000)::float8 as "nowMs",
       current_setting('fsync') = 'on' and current_setting('full_page_writes') = 'on' as durable`,
  )
  return rows[0]!
}
