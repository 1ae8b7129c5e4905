import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'

export type TestDatabase = {
  url: string
  /** Ends whatever is still connected and deletes the database. */
  drop(): Promise<void>
}

/** A migrated, empty database of this test's own on the run's shared server. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`
  await onServer(`create database ${name} template ${inject('templateDatabase')}`)
  const url = new URL(inject('databaseServerUrl'))
  url.pathname = `/${name}`
  return { url: url.href, drop: () => onServer(`drop database if exists ${name} with (force)`) }
}

/** One statement as the superuser, outside any test's database. */
async function onServer(statement: string): Promise<void> {
  const client = new pg.Client(inject('databaseServerUrl'))
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
