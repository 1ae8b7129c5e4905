import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createHealth } from '../../src/daemon/health.ts'
import { type Database, openDatabase } from '../../src/store/connection/database.ts'
import { appendIntake } from '../../src/store/intake/intake.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { silentLogger } from '../support/logger.ts'

let server: TestDatabase
let database: Database
beforeEach(async () => {
  server = await createTestDatabase()
  database = openDatabase({ url: server.url, poolSize: 2, name: 'test' })
})
afterEach(async () => {
  await database.close()
  await server.drop()
})

const healthOf = (of: Database) =>
  createHealth({
    database: of,
    checkIngest: async () => ({ name: 'ingest', ok: true, detail: 'commits' }),
    chains: [],
    clocks: () => [],
    logger: silentLogger,
    sealMaxAgeMs: 1_000,
  })

/** As if it had been pushed so long ago. */
async function push(agoMs: number): Promise<void> {
  await appendIntake(database.pool, [{ sourceId: 1, hashes: Buffer.alloc(32, 1) }])
  await database.pool.query(
    `update intake set received_at = received_at - $1 * interval '1 millisecond'
     where id = (select max(id) from intake)`,
    [agoMs],
  )
}

describe('the check of sealing', () => {
  it('holds while nothing waits, or only for a moment, and fails when the oldest hash is late', async () => {
    const sealing = async () => (await healthOf(database).all()).find(({ name }) => name === 'sealing')
    expect(await sealing()).toEqual({ name: 'sealing', ok: true, detail: 'nothing waits' })
    await push(60_000)
    await push(0)
    expect(await sealing()).toMatchObject({ ok: false, detail: expect.stringMatching(/waits for 6\d/) })
    await database.pool.query('delete from intake where id = (select min(id) from intake)')
    expect(await sealing()).toMatchObject({ ok: true })
  })
})

describe('a database that refuses', () => {
  it('is failing in fixed words: no role, host or name of a database', async () => {
    const url = new URL(server.url)
    url.pathname = '/secret_name'
    url.username = 'secret_role'
    const away = openDatabase({ url: url.href, poolSize: 1, name: 'test' })
    try {
      for (const checks of [await healthOf(away).ready(), await healthOf(away).all()]) {
        expect(checks[0]).toEqual({
          name: 'database',
          ok: false,
          detail: 'cannot be reached; the log says why',
        })
        expect(JSON.stringify(checks)).not.toContain('secret')
      }
    } finally {
      await away.close()
    }
  })
})
