import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createServed, digest, type Served, sealedRecord } from '../e2e/served.ts'
import { until } from '../support/wait.ts'

/** More than every pool of the daemon has connections. */
const MANY = 40

describe('reads and ingest have connections of their own', () => {
  let served: Served
  let url: string
  let gate: pg.Client
  let watch: pg.Client
  beforeAll(async () => {
    served = await createServed()
    // No tick during the test: what is locked here would only hold it up.
    const daemon = await served.start({ cron: '0 0 1 1 *' })
    url = daemon.url
    await daemon.client.push(digest(1))
    await until(() => sealedRecord(daemon.client, digest(1)), { what: 'the batch' })
    ;[gate, watch] = [new pg.Client(served.database.url), new pg.Client(served.database.url)]
    await Promise.all([gate.connect(), watch.connect()])
  })
  afterAll(async () => {
    await Promise.all([gate.end(), watch.end()])
    await served.close()
  })

  const push = (n: number, apiKey = served.apiKey) =>
    fetch(`${url}/v1/records`, {
      method: 'POST',
      body: digest(n),
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/octet-stream' },
    })
  const record = (n: number) => fetch(`${url}/v1/records/${digest(n).toString('hex')}`)

  /** Every connection of that pool waits for the lock. */
  const allStuck = (name: string) =>
    until(
      async () => {
        const { rows } = await watch.query(
          `select count(*) filter (where wait_event_type = 'Lock')::int as stuck, count(*)::int as all
           from pg_stat_activity where application_name = $1 and datname = current_database()`,
          [name],
        )
        return rows[0].all > 1 && rows[0].stuck === rows[0].all
      },
      { what: `all of ${name} to be stuck` },
    )

  it('so that reads which hang hold up no push, whether its key was seen before or not', async () => {
    expect((await push(2)).status).toBe(202)
    const fresh = await served.createKey('fresh', 'ingest')
    await gate.query('begin')
    await gate.query('lock table leaf_page in access exclusive mode')
    const readers = Array.from({ length: MANY }, () => record(1))
    await allStuck('holdfast-read')
    expect((await push(3)).status).toBe(202)
    expect((await push(30, fresh)).status).toBe(202)
    await gate.query('commit')
    for (const { status } of await Promise.all(readers)) expect(status).toBe(200)
  })

  it('so that pushes which hang hold up no read', async () => {
    expect((await push(4)).status).toBe(202)
    await gate.query('begin')
    await gate.query('lock table intake in share mode')
    const pushes = [push(5)]
    // One by one: what comes while a commit is under way would share the next.
    for (let n = 6; n < 10; n++) {
      pushes.push(push(n))
      await fetch(`${url}/livez`)
    }
    await allStuck('holdfast-ingest')
    expect((await record(1)).status).toBe(200)
    await gate.query('commit')
    for (const { status } of await Promise.all(pushes)) expect(status).toBe(202)
  })
})
