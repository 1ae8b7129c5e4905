import { createHash } from 'node:crypto'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { noMetrics } from '../../src/core/metrics.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { type Sealer, startSealer } from '../../src/seal/sealer.ts'
import { type Database, openDatabase } from '../../src/store/connection/database.ts'
import { appendIntake } from '../../src/store/intake/intake.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { until } from '../support/wait.ts'

/* The sealing thread as it is built, with the daemon's own logger. */

const OPTIONS = { maxAgeMs: 50, maxLeaves: 1_000, leaseTtlMs: 5_000, mergeFanOut: 4 }

type Line = { level: string; msg: string; err?: Record<string, unknown> }

let server: TestDatabase
let database: Database
let sealer: Sealer | undefined
let lines: Line[]

beforeEach(async () => {
  server = await createTestDatabase()
  database = openDatabase({ url: server.url, poolSize: 4, name: 'test' })
  lines = []
})
afterEach(async () => {
  await sealer?.close()
  sealer = undefined
  await database.close()
  await server.drop()
})

function start(more: { databaseUrl?: string; options?: null } = {}): Sealer {
  const destination = new Writable({
    decodeStrings: false,
    write(line, _encoding, done) {
      lines.push(JSON.parse(String(line)) as Line)
      done()
    },
  })
  return startSealer({
    workerUrl: new URL('../../dist/seal/worker.js', import.meta.url),
    databaseUrl: more.databaseUrl ?? server.url,
    owner: 'test',
    options: more.options === null ? (null as never) : OPTIONS,
    logger: createLogger({ level: 'debug', pretty: false, destination }),
    metrics: noMetrics,
  })
}

const line = (msg: string) =>
  until(() => lines.find((each) => each.msg === msg), { what: `"${msg}" in the log` })

async function push(n: number): Promise<void> {
  const hashes = createHash('sha256').update(`record ${n}`).digest()
  await appendIntake(database.pool, [{ sourceId: 1, hashes }])
}

it('an error of the sealing thread is logged with its type, code, message and stack', async () => {
  await database.pool.query('drop table arrival')
  await push(1)
  sealer = start()
  const { err } = await line('sealing failed; the hashes stay in intake and are tried again')
  expect(err).toMatchObject({
    type: 'error',
    code: '42P01',
    message: expect.stringContaining('"arrival" does not exist'),
    stack: expect.stringContaining('\n    at '),
  })
})

it('an error that a flush meets comes back with its code and cause', async () => {
  const url = new URL(server.url)
  url.pathname = '/no_such_database'
  sealer = start({ databaseUrl: url.href })
  const error = await sealer.flush(1_000).catch((reason: unknown) => reason as Error)
  expect(error).toMatchObject({
    cause: { code: '3D000', message: expect.stringContaining('no_such_database') },
  })
})

it('what ends the thread is logged whole, and the thread starts again', async () => {
  sealer = start({ options: null })
  const { err } = await line('sealing thread failed')
  expect(err).toMatchObject({
    type: expect.any(String),
    message: expect.stringMatching(/\w/),
    stack: expect.any(String),
  })
  expect(JSON.stringify(lines)).not.toContain('[object Object]')
  await line('sealing thread ended; starting it again')
})
