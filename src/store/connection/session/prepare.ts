import type pg from 'pg'

/** The session was reached and must not be used as it is. The message says why and what would be right. */
export class SessionRefusedError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'SessionRefusedError'
  }
}

/** Server-wide, it is an operator's freeze, which applies to sessions that are open too; else a mere default. */
const FREEZE = 'default_transaction_read_only'
const PERMISSION_DENIED = '42501'

/**
 * The statement that sets everything. Only what the server knows (`transaction_timeout` came with version 17), and of what
 * only a superuser may set, only what differs. Every name is qualified: the search path is not ours yet.
 */
export function settingStatement(settings: ReadonlyMap<string, string>): string {
  const rows = [...settings].map(([name, value]) => `(${literal(name)}, ${literal(value)})`)
  return `
    select w.name, case
        when pg_catalog.current_setting(w.name, true) operator(pg_catalog.=) w.value then w.value
        else pg_catalog.set_config(w.name, w.value, false)
      end as value
    from (values ${rows.join(', ')}) as w (name, value)
    where (pg_catalog.current_setting(w.name, true) is not null or pg_catalog.strpos(w.name, '.') operator(pg_catalog.>) 0)
      and (w.name operator(pg_catalog.<>) '${FREEZE}' or w.value operator(pg_catalog.=) 'on' or not exists (
        select from pg_catalog.pg_settings s
        where s.name operator(pg_catalog.=) w.name
          and s.source operator(pg_catalog.=) any (array['configuration file', 'command line'])))`
}

function literal(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted
}

/**
 * Sets the session and reads everything back, in statements of their own.
 * @throws SessionRefusedError when a setting may not be set, or does not last until the next statement
 */
export async function setSession(client: pg.ClientBase, statement: string): Promise<void> {
  const { rows: set } = await client
    .query<{ name: string; value: string }>(statement)
    .catch((error: unknown) => Promise.reject(asRefusal(error)))
  const names = set.map(({ name }) => literal(name)).join(', ')
  const { rows: read } = await client.query<{ name: string; value: string }>(
    `select w.name, pg_catalog.current_setting(w.name) as value
     from pg_catalog.unnest(array[${names}]::pg_catalog.text[]) as w (name)`,
  )
  const now = new Map(read.map(({ name, value }) => [name, value]))
  const lost = set.filter(({ name, value }) => now.get(name) !== value)
  if (lost.length > 0) {
    throw new SessionRefusedError(
      `The database does not keep session settings from one statement to the next (${lost.map(({ name }) => name).join(', ')}). Holdfast needs a direct connection or a pooler in session mode.`,
    )
  }
}

/** A role that may not set what the database or the role's own defaults were set to by a superuser. */
function asRefusal(error: unknown): unknown {
  const { code, message } = error as { code?: string; message?: string }
  if (code !== PERMISSION_DENIED) return error
  return new SessionRefusedError(
    `A default of the database or the role keeps Holdfast from working, and its role may not change it: ${message}. Reset it by \`alter database … reset …\` or \`alter role … reset …\`.`,
    error,
  )
}
