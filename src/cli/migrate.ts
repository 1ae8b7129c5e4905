import { migrateToLatest } from '../store/migrate.ts'
import { databaseUrl } from './database-url.ts'

export async function migrate(): Promise<void> {
  const applied = await migrateToLatest(databaseUrl())
  console.log(applied.length === 0 ? 'The database is up to date.' : `Applied ${applied.join(', ')}.`)
}
