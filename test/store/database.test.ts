import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDatabase } from '../../src/store/connection/database.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let server: TestDatabase
beforeAll(async () => {
  server = await createTestDatabase()
})
afterAll(() => server.drop())

it('sessions of a pool that writes out do so from their first statement on', async () => {
  const database = openDatabase({ url: server.url, poolSize: 3, name: 'test', writesOut: true })
  try {
    const shown = Array.from({ length: 3 }, async () => {
      const { rows } = await database.pool.query('show backend_flush_after')
      return rows[0].backend_flush_after
    })
    expect(await Promise.all(shown)).toEqual(['1MB', '1MB', '1MB'])
  } finally {
    await database.close()
  }
})
