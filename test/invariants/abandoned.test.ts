import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { withStalledHolderEviction } from '../../src/store/connection/abandoned.ts'
import { openCopy } from '../../src/store/connection/copy.ts'
import { openDatabase } from '../../src/store/connection/database.ts'
import { acquireLease, requireLease } from '../../src/store/connection/leases.ts'
import { createServed, digest, type Served } from '../e2e/served.ts'
import { silentLogger } from '../support/logger.ts'
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

async function sealedLeaves(): Promise<number> {
  const { rows } = await watch.query('select coalesce(sum(leaf_count), 0)::int as leaves from batch')
  return rows[0].leaves
}

/** Before the lease's row is held, when only the former holder's mark tells of the transaction; and after. */
it.each([
  ['seal-tiles-written', 10],
  ['seal-before-commit', 20],
])(
  'a daemon stopped inside its sealing transaction, at %s, loses it: another goes on, and nothing is sealed twice',
  {
    timeout: 60_000,
  },
  async (point, from) => {
    const sealedBefore = await sealedLeaves()
    const first = await served.start({ faultPoint: `${point}:stop` })
    await first.client.push(digest(from + 1))
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
    await second.client.push(digest(from + 2))
    const isSealed = async (n: number) => (await second.client.record(digest(n)))?.status !== 'accepted'
    await until(() => isSealed(from + 2), {
      within: 30_000,
      what: 'a batch by the second',
    })
    process.kill(first.run.pid, 'SIGCONT')
    await first.client.push(digest(from + 3))
    await until(() => isSealed(from + 3), { within: 30_000, what: 'the next batch' })
    expect(await sealedLeaves()).toBe(sealedBefore + 3)
    expect(first.run.output()).toContain('sealing failed')
    for (const daemon of [first, second]) {
      daemon.run.kill('SIGTERM')
      await daemon.run.exit()
    }
  },
)

describe('a session in the middle of a COPY that holds the lease', () => {
  it('is let be while its client goes on, however slowly, and ended once nothing comes any more', async () => {
    const database = openDatabase({ url: served.database.url, poolSize: 3, name: 'holdfast-seal' })
    const holder = await database.pool.connect()
    const lost = once(holder, 'error')
    try {
      const lease = (await acquireLease(database.pool, 'test', 'holder', 60_000))!
      await holder.query('begin')
      await requireLease(holder, lease)
      const copy = openCopy(holder, 'tile', ['batch_id', 'level', 'index', 'nodes'])
      let sent = 0
      const send = () => {
        // More than any buffer on the way holds back.
        for (let n = 0; n < 64; n++, sent++) {
          copy.row([{ int4: 1_000_000 }, { int2: 0 }, { int4: sent }, { bytea: Buffer.alloc(8192, 1) }])
        }
        return copy.ready()
      }
      const waiting = { taken: false }
      const taking = withStalledHolderEviction(
        database.pool,
        { afterMs: 250, logger: silentLogger },
        (client) => client.query(`update lease set owner = 'second' where name = 'test'`),
      ).then(() => {
        waiting.taken = true
      })
      // Four looks' time.
      for (const end = performance.now() + 1_000; performance.now() < end; ) {
        await send()
        await pause(50)
      }
      expect(waiting.taken).toBe(false)
      await taking
      await lost
    } finally {
      holder.release(true)
      await database.close()
    }
  })
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
