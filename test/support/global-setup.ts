import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { startPostgres } from '../../src/dev/postgres.ts'
import { migrateToLatest } from '../../src/store/connection/migrate.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The shared server, connected to its maintenance database. */
    databaseServerUrl: string
    templateDatabase: string
  }
}

const TEMPLATE = 'holdfast_template'

/**
 * One PostgreSQL for the whole run, with a migrated database that every test clones. It commits synchronously, but
 * does not wait for the disk: a test of durability starts a server of its own.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  chmodSync(folder, 0o755)
  const postgres = await startPostgres({
    dataDir: join(folder, 'postgres'),
    persistent: false,
    settings: { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'on', max_connections: '300' },
  })
  const client = new pg.Client(postgres.url)
  await client.connect()
  await client.query(`create database ${TEMPLATE}`)
  await client.end()
  const template = new URL(postgres.url)
  template.pathname = `/${TEMPLATE}`
  await migrateToLatest(template.href)

  project.provide('databaseServerUrl', postgres.url)
  project.provide('templateDatabase', TEMPLATE)
  return async () => {
    await postgres.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
