import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { isDatabaseUnavailable } from '../../src/store/connection/failures.ts'
import { closeSilentConnections } from '../../src/store/connection/silent-connections.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.ts'
import { until } from '../support/wait.ts'

const AFTER_MS = 320

let server: TestDatabase
let way: DatabaseProxy
let pool: pg.Pool
let silence: { stop(): void }
beforeAll(async () => {
  server = await createTestDatabase()
})
afterAll(() => server.drop())
beforeEach(async () => {
  way = await startDatabaseProxy(server.url)
  pool = new pg.Pool({ connectionString: way.url, max: 1 })
  pool.on('error', () => undefined)
  silence = closeSilentConnections(pool, AFTER_MS)
})
afterEach(async () => {
  await pool.end()
  silence.stop()
  await way.close()
})

const backend = async () => (await pool.query('select pg_backend_pid() as pid')).rows[0].pid

it('a statement on a connection that is cut off fails as unavailable, and the next one has another connection', async () => {
  await backend()
  way.silence()
  const error = await backend().catch((caught: unknown) => caught)
  expect(error).toMatchObject({ message: expect.stringMatching(/^Connection terminated: .* 320 ms$/) })
  expect(isDatabaseUnavailable(error)).toBe(true)
  expect(await backend()).toBeGreaterThan(0)
  // One of them only carried the request to give the statement up.
  expect(way.connections()).toBe(3)
})

it('what the server still does for it is given up, so that sessions do not pile up there', async () => {
  const watch = new pg.Client(server.url)
  await watch.connect()
  const pid = await backend()
  const waiting = pool.query('select pg_sleep(600)').catch((caught: Error) => caught)
  way.silence()
  expect(await waiting).toBeInstanceOf(Error)
  const isGone = async () => {
    const { rows } = await watch.query<{ state: string }>(
      'select state from pg_stat_activity where pid = $1',
      [pid],
    )
    return rows[0]?.state !== 'active'
  }
  await until(isGone, { what: 'the end of the statement' })
  await watch.end()
})

it('a connection that nobody uses may be silent', async () => {
  const pid = await backend()
  await pause(3 * AFTER_MS)
  expect(await backend()).toBe(pid)
})

it('a connection is not closed for all the silences of its statements together', async () => {
  const pid = await backend()
  for (let i = 0; i < 6; i++) await pool.query('select pg_sleep(0.1)')
  expect(await backend()).toBe(pid)
})

it('nor while an answer keeps coming', async () => {
  const pid = await backend()
  // More than the server keeps back, with each row.
  const { rows } = await pool.query(
    "select length(repeat('x', 20000) || pg_sleep(0.1)) as n, repeat('y', 20000) from generate_series(1, 8)",
  )
  expect(rows).toHaveLength(8)
  expect(await backend()).toBe(pid)
})
