import { type ConnectionOptions, parse } from 'pg-connection-string'
import { HoldfastError } from '../../../core/errors.ts'

export type DatabaseAddress = {
  /** For pg: host, port, user, password, database, TLS. */
  connection: Record<string, unknown>
  /** Settings that the URL asks for by `options=-c name=value`, in order. */
  settings: ReadonlyMap<string, string>
}

const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify']

/**
 * Reads DATABASE_URL. `sslmode`, `sslrootcert`, `sslcert` and `sslkey` mean what they mean to libpq, but `prefer` never
 * falls back to plain text; `sslrootcert=system` takes the authorities that Node knows. Reads the files once.
 * @throws HoldfastError INVALID_CONFIG, which never holds the password
 */
export function parseDatabaseUrl(text: string): DatabaseAddress {
  const { url, options, sslMode } = withoutOptions(text)
  if (sslMode !== null && !SSL_MODES.includes(sslMode)) {
    throw invalid(`sslmode=${sslMode} is not one of ${SSL_MODES.join(', ')}.`)
  }
  return { connection: parsed(url), settings: settingsOf(options) }
}

function withoutOptions(text: string): { url: string; options: string[]; sslMode: string | null } {
  // Such as a URL with a Unix socket in place of a host.
  if (!URL.canParse(text)) return { url: text, options: [], sslMode: null }
  const url = new URL(text)
  const { searchParams } = url
  const options = searchParams.getAll('options')
  const sslMode = searchParams.get('sslmode')
  searchParams.delete('options')
  if (searchParams.get('sslrootcert') === 'system') searchParams.delete('sslrootcert')
  if (sslMode !== null && sslMode !== 'no-verify') searchParams.set('uselibpqcompat', 'true')
  return { url: url.href, options, sslMode }
}

function parsed(url: string): Record<string, unknown> {
  let connection: ConnectionOptions
  try {
    connection = parse(url)
  } catch (error) {
    const { code, path, message } = error as NodeJS.ErrnoException
    throw invalid(code !== undefined && path ? `${path} cannot be read: ${code}.` : message, error)
  }
  // Empty texts are what the URL leaves out; pg has its defaults for them.
  return Object.fromEntries(Object.entries(connection).filter(([, value]) => value !== '' && value !== null))
}

/** PostgreSQL's own syntax: words separated by spaces, a backslash before what is meant literally. */
function settingsOf(options: readonly string[]): Map<string, string> {
  const words = options.flatMap((text) =>
    [...text.matchAll(/(?:\\.|\S)+/g)].map(([word]) => word.replaceAll(/\\(.)/g, '$1')),
  )
  const settings = new Map<string, string>()
  while (words.length > 0) {
    const word = words.shift()!
    const assignment = word === '-c' ? words.shift() : /^(?:-c|--)(.+)$/.exec(word)?.[1]
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(assignment ?? '') ?? []
    if (name === undefined || value === undefined) {
      throw invalid(`options holds ${JSON.stringify(word)}; only -c name=value is understood.`)
    }
    settings.set(name.replaceAll('-', '_').toLowerCase(), value)
  }
  return settings
}

function invalid(what: string, cause?: unknown): HoldfastError {
  return new HoldfastError('INVALID_CONFIG', `DATABASE_URL: ${what}`, cause === undefined ? {} : { cause })
}
