import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/store/connection/database.ts'
import {
  createSource,
  findByKeyHash,
  hashApiKey,
  listSources,
  revokeSource,
} from '../../src/store/intake/sources.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let server: TestDatabase
let database: Database
beforeAll(async () => {
  server = await createTestDatabase()
  database = openDatabase({ url: server.url, poolSize: 2, name: 'test' })
})
afterAll(async () => {
  await database.close()
  await server.drop()
})

it('a source is found by its key until it is revoked, and stays listed', async () => {
  const { db } = database
  const { source, key } = await createSource(db, { name: 'erp', scopes: ['audit', 'ingest', 'audit'] })
  expect(source).toMatchObject({ name: 'erp', scopes: ['ingest', 'audit'] })
  expect(await findByKeyHash(db, hashApiKey(key))).toEqual(source)
  expect(await findByKeyHash(db, hashApiKey(`${key}x`))).toBeNull()
  expect(await revokeSource(db, 'erp')).toBe(true)
  expect(await revokeSource(db, 'erp')).toBe(false)
  expect(await revokeSource(db, 'nobody')).toBe(false)
  expect(await findByKeyHash(db, hashApiKey(key))).toBeNull()
  const [row] = await listSources(db)
  expect(row).toMatchObject({ id: source.id, name: 'erp' })
  expect(row!.revokedAt!.getTime()).toBeGreaterThanOrEqual(row!.createdAt.getTime())
})

it('keys are never the same', async () => {
  const keys = new Set<string>()
  for (let i = 0; i < 20; i++) {
    keys.add((await createSource(database.db, { name: `many ${i}`, scopes: ['ingest'] })).key)
  }
  expect(keys.size).toBe(20)
})

it.each([
  ['a name that is taken', { name: 'taken', scopes: ['ingest'] }, 'A source named "taken" exists already.'],
  [
    'an empty name',
    { name: '', scopes: ['ingest'] },
    'A source needs a name of 1 to 100 characters on one line.',
  ],
  ['a name of two lines', { name: 'a\nb', scopes: ['ingest'] }, 'A source needs a name'],
  ['no scope', { name: 'a', scopes: [] }, 'No scope given; scopes are ingest, audit, admin.'],
  [
    'an unknown scope',
    { name: 'a', scopes: ['write'] },
    'Unknown scope "write"; scopes are ingest, audit, admin.',
  ],
])('refuses %s', async (_name, wish, message) => {
  if (wish.name === 'taken') await createSource(database.db, wish)
  await expect(createSource(database.db, wish)).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
    message: expect.stringContaining(message),
  })
})
