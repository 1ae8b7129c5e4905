import { HoldfastError } from '../core/errors.ts'
import { createSource, listSources, revokeSource } from '../store/intake/sources.ts'
import { withDatabase } from './database-url.ts'
import { complain, print } from './terminal.ts'

export async function createKey(name: string, options: { scope?: string[] }): Promise<void> {
  const { source, key } = await withDatabase(({ db }) =>
    createSource(db, { name, scopes: options.scope ?? ['ingest'] }),
  )
  complain(`Key of ${source.name} (${source.scopes.join(', ')}); it is shown only now:`)
  print(key)
}

export async function listKeys(): Promise<void> {
  const sources = await withDatabase(({ db }) => listSources(db))
  if (sources.length === 0) print('No keys. Make one: holdfast keys create <name>')
  for (const { name, scopes, createdAt, revokedAt } of sources) {
    const state = revokedAt ? `revoked ${revokedAt.toISOString()}` : 'active'
    print([name, scopes.join(','), `created ${createdAt.toISOString()}`, state].join('\t'))
  }
}

export async function revokeKey(name: string): Promise<void> {
  const revoked = await withDatabase(({ db }) => revokeSource(db, name))
  if (!revoked)
    throw new HoldfastError(
      'NOT_FOUND',
      `No active key is named ${JSON.stringify(name)}; see holdfast keys list.`,
    )
  print(`Revoked ${name}; daemons refuse it within 5 seconds.`)
}
