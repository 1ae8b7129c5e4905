import { migrateToLatest } from '../store/connection/migrate.ts'
import { onDatabase } from './database-url.ts'
import { print } from './terminal.ts'

export async function migrate(): Promise<void> {
  const applied = await onDatabase(migrateToLatest)
  print(applied.length === 0 ? 'The database is up to date.' : `Applied ${applied.join(', ')}.`)
}
