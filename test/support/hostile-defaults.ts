import type pg from 'pg'

/** What may change what a statement means, how a value is written, or when a session or statement is ended. */
const OURS = [
  'Client Connection Defaults / Locale and Formatting',
  'Client Connection Defaults / Statement Behavior',
  'Connections and Authentication / TCP Settings',
  'Error Handling',
  'Replication / Sending Servers',
  'Statistics / Cumulative Query and Index Statistics',
  'Version and Platform Compatibility / Other Platforms and Clients',
  'Version and Platform Compatibility / Previous PostgreSQL Versions',
  'Write-Ahead Log / Settings',
]

/** Of these, what is left as it is found, and why that is safe. */
const LEFT_TO_THE_OPERATOR: Readonly<Record<string, string>> = {
  client_connection_check_interval: 'only notices sooner that a client is gone',
  commit_delay: 'only makes a commit slower',
  commit_siblings: 'only makes a commit slower',
  createrole_self_grant: 'no role is made',
  default_tablespace: 'where tables lie is the operator’s choice',
  default_text_search_config: 'no text is searched',
  default_toast_compression: 'columns that must not be compressed say so themselves',
  event_triggers: 'Holdfast has none',
  gin_pending_list_limit: 'no GIN index',
  icu_validation_level: 'no collation is made',
  lc_messages: 'no message is read by the code',
  lo_compat_privileges: 'no large object',
  restrict_nonsystem_relation_kind: 'no view, no foreign table',
  synchronize_seqscans: 'every order that matters is asked for',
  temp_tablespaces: 'where temporary files lie is the operator’s choice',
  track_activities: 'what the server notes of its sessions',
  track_cost_delay_timing: 'what the server measures',
  track_counts: 'what the server measures',
  track_functions: 'what the server measures',
  track_io_timing: 'what the server measures',
  track_wal_io_timing: 'what the server measures',
  escape_string_warning: 'a warning in the log',
  transaction_deferrable: 'a transaction begins with the default',
  transaction_isolation: 'a transaction begins with the default',
  transaction_read_only: 'a transaction begins with the default',
  wal_compression: 'how the log is written',
  wal_init_zero: 'how the log is written',
  wal_recycle: 'how the log is written',
  wal_sender_timeout: 'no replication connection',
  wal_skip_threshold: 'how the log is written',
}

type Setting = { name: string; vartype: string; enumvals: string[] | null; setting: string; context: string }

async function settingsOf(admin: pg.Client): Promise<Setting[]> {
  const { rows } = await admin.query<Setting>(
    `select name, vartype, enumvals, setting, context from pg_settings
     where context in ('user', 'superuser') and category = any($1) order by name`,
    [OURS],
  )
  return rows
}

/**
 * Gives every setting that Holdfast sets itself another default than the usual one: half of them by the database, half by
 * the role. Also makes what the defaults name.
 * @param role default: the one that `admin` has, in this database only
 * @returns how many
 */
export async function setHostileDefaults(admin: pg.Client, role?: string): Promise<number> {
  const settings = (await settingsOf(admin)).filter(({ name }) => LEFT_TO_THE_OPERATOR[name] === undefined)
  await admin.query('create schema elsewhere')
  await admin.query('create access method elsewhere type table handler heap_tableam_handler')
  for (const [index, setting] of settings.entries()) {
    // A role that is no superuser could not take this one back.
    if (role !== undefined && setting.context === 'superuser') continue
    const whose =
      index % 2 === 0
        ? `database ${admin.database}`
        : `role ${role ?? `current_user in database ${admin.database}`}`
    await admin.query(`alter ${whose} set ${setting.name} = '${hostile(setting)}'`)
  }
  return settings.length
}

/** Another value than the usual one. */
function hostile({ name, vartype, enumvals, setting }: Setting): string {
  if (vartype === 'bool') return setting === 'on' ? 'off' : 'on'
  if (vartype === 'enum') return enumvals!.find((value) => value !== setting && value !== 'content')!
  if (vartype === 'integer') return HOSTILE_INTEGERS[name] ?? '60000'
  return HOSTILE_TEXTS[name] ?? ''
}

const HOSTILE_INTEGERS: Readonly<Record<string, string>> = {
  extra_float_digits: '-15',
  // So short that a session would be over before its second statement.
  idle_session_timeout: '1',
  statement_timeout: '1',
  lock_timeout: '1',
  tcp_keepalives_count: '1',
  tcp_keepalives_idle: '1',
  tcp_keepalives_interval: '1',
}
const HOSTILE_TEXTS: Readonly<Record<string, string>> = {
  client_encoding: 'LATIN1',
  datestyle: 'SQL, DMY',
  DateStyle: 'SQL, DMY',
  TimeZone: 'Asia/Kathmandu',
  timezone_abbreviations: 'India',
  lc_monetary: 'POSIX',
  lc_numeric: 'POSIX',
  lc_time: 'POSIX',
  search_path: 'elsewhere, pg_catalog',
  default_table_access_method: 'elsewhere',
}
