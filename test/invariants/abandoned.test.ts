import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDatabase } from '../../src/store/database.ts'
import { createServed, digest, type Served } from '../e2e/served.ts'
import { until } from '../support/wait.ts'

let served: Served
let watch: pg.Client
beforeAll(async () => {
  served = await createServed()
  watch = new pg.Client(served.database.url)
  await watch.connect()
})
afterAll(async () => {
  await watch.end()
  await served.close()
})

it('a daemon stopped inside its sealing transaction loses it: another goes on, and nothing is sealed twice', {
  timeout: 60_000,
}, async () => {
  const first = await served.start({ faultPoint: 'seal-before-commit:stop' })
  await first.client.push(digest(1))
  await until(
    async () => {
      const { rowCount } = await watch.query(
        `select 1 from pg_stat_activity where application_name = 'holdfast-seal' and state = 'idle in transaction'`,
      )
      return rowCount === 1
    },
    { what: 'the transaction of the stopped daemon' },
  )
  const second = await served.start()
  await second.client.push(digest(2))
  await until(() => second.client.record(digest(2)), { within: 30_000, what: 'a batch by the second' })
  process.kill(first.run.pid, 'SIGCONT')
  await first.client.push(digest(3))
  await until(() => second.client.record(digest(3)), { within: 30_000, what: 'the next batch' })
  const { rows } = await watch.query('select sum(leaf_count)::int as leaves from batch')
  expect(rows).toEqual([{ leaves: 3 }])
  expect(first.run.output()).toContain('sealing failed')
})

it('a transaction whose host is gone is noticed by the server within the time that was given', async () => {
  const database = openDatabase({
    url: served.database.url,
    poolSize: 1,
    name: 'test',
    abandonedAfterMs: 15_000,
  })
  try {
    const { rows } = await database.pool.query(`
      select current_setting('tcp_keepalives_idle')::int
          + current_setting('tcp_keepalives_interval')::int * current_setting('tcp_keepalives_count')::int as seconds,
        current_setting('tcp_user_timeout') as "unacknowledged",
        current_setting('idle_in_transaction_session_timeout') as "idle"`)
    expect(rows).toEqual([{ seconds: 15, unacknowledged: '15000', idle: '15s' }])
  } finally {
    await database.close()
  }
})
