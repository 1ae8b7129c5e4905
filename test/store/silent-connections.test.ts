import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { isDatabaseUnavailable } from '../../src/store/connection/failures.ts'
import { closeSilentConnections } from '../../src/store/connection/silent-connections.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

const AFTER_MS = 320

let server: TestDatabase
let way: Awaited<ReturnType<typeof openWay>>
let pool: pg.Pool
let silence: { stop(): void }
beforeAll(async () => {
  server = await createTestDatabase()
})
afterAll(() => server.drop())
beforeEach(async () => {
  way = await openWay(server.url)
  pool = new pg.Pool({ connectionString: way.url, max: 1 })
  pool.on('error', () => undefined)
  silence = closeSilentConnections(pool, AFTER_MS)
})
afterEach(async () => {
  await pool.end()
  silence.stop()
  way.close()
})

/** A way to the server that can be cut off without either side noticing. */
async function openWay(databaseUrl: string) {
  const target = new URL(databaseUrl)
  const open: Socket[] = []
  const entrance = createServer((near) => {
    const far = connect(Number(target.port), target.hostname)
    open.push(near, far)
    for (const socket of [near, far]) socket.on('error', () => undefined)
    near.pipe(far).pipe(near)
  })
  entrance.listen(0, '127.0.0.1')
  await once(entrance, 'listening')
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String((entrance.address() as AddressInfo).port)
  return {
    url: url.href,
    connections: () => open.length / 2,
    cut() {
      for (const socket of open) socket.unpipe()
    },
    close() {
      entrance.close()
      for (const socket of open) socket.destroy()
    },
  }
}

const backend = async () => (await pool.query('select pg_backend_pid() as pid')).rows[0].pid

it('a statement on a connection that is cut off fails as unavailable, and the next one has another connection', async () => {
  await backend()
  way.cut()
  const error = await backend().catch((caught: unknown) => caught)
  expect(error).toMatchObject({ message: expect.stringMatching(/^Connection terminated: .* 320 ms$/) })
  expect(isDatabaseUnavailable(error)).toBe(true)
  expect(await backend()).toBeGreaterThan(0)
  expect(way.connections()).toBe(2)
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
