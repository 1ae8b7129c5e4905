/**
 * What every session of ours runs with, whatever the server, the database, the role or a pooler set. Each of these changes
 * what a statement means, how a value is written, or when a session or a statement is ended.
 *
 * Left to the operator, because they do not: planner and memory settings, where tables lie and how they are compressed,
 * what the server logs.
 */
const EVERY_SESSION = {
  // How values are read and written.
  client_encoding: 'UTF8',
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  timezone_abbreviations: 'Default',
  extra_float_digits: '1',
  bytea_output: 'hex',
  lc_monetary: 'C',
  lc_numeric: 'C',
  lc_time: 'C',
  xmlbinary: 'base64',
  xmloption: 'content',

  // What a statement means.
  search_path: 'public, pg_temp',
  standard_conforming_strings: 'on',
  backslash_quote: 'safe_encoding',
  array_nulls: 'on',
  transform_null_equals: 'off',
  quote_all_identifiers: 'off',
  default_table_access_method: 'heap',
  check_function_bodies: 'on',
  row_security: 'on',
  session_replication_role: 'origin',
  stats_fetch_consistency: 'cache',

  // What a transaction promises.
  synchronous_commit: 'on',
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  default_transaction_read_only: 'off',

  // What ends a statement or a session.
  statement_timeout: '0',
  lock_timeout: '0',
  transaction_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  tcp_keepalives_idle: '0',
  tcp_keepalives_interval: '0',
  tcp_keepalives_count: '0',
  tcp_user_timeout: '0',
  exit_on_error: 'off',

  client_min_messages: 'warning',
} as const

/** The URL's word counts for this one: it says where the tables are. */
const OF_THE_URL: ReadonlySet<string> = new Set(['search_path'])

/**
 * Sent with the startup message, where they come before what the database and the role set: with less, a session could be
 * ended before its first statement. A pooler may refuse them.
 */
export const STARTUP_OPTIONS = '-c statement_timeout=0 -c idle_session_timeout=0'

export type SessionWishes = {
  applicationName: string
  /** Of the URL, in order. */
  url: ReadonlyMap<string, string>
  /** Of one pool, over those of every session. */
  own: Readonly<Record<string, string | number>>
}

/** Names, lower case, and values of everything that a session is set to. */
export function sessionSettings({ applicationName, url, own }: SessionWishes): Map<string, string> {
  const settings = new Map(url)
  for (const [name, value] of Object.entries({
    ...EVERY_SESSION,
    application_name: applicationName,
    ...own,
  })) {
    if (!(OF_THE_URL.has(name) && url.has(name))) settings.set(name, String(value))
  }
  return settings
}
