import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openDatabase } from '../../src/store/connection/database.ts'
import { createServed, digest, type Served } from '../e2e/served.ts'
import { type ServerUnderTest, startServer } from '../http/server-under-test.ts'
import { until } from '../support/wait.ts'

/** Writes down, inside each writer's own transaction, how that transaction will commit. */
const WITNESS = `
  create table witness (writer text, about text, synchronous_commit text);
  create function witness() returns trigger language plpgsql as $$
    begin
      insert into witness
        values (current_setting('application_name'), regexp_replace(tg_table_name, '_[0-9]$', ''),
          current_setting('synchronous_commit'));
      return null;
    end $$;
  create trigger witness after insert on intake for each row execute function witness();
  create trigger witness after insert on batch execute function witness();
  create trigger witness after insert on anchor execute function witness();
  create trigger witness after insert on attempt execute function witness();
`

describe('a database whose default is synchronous_commit = off', () => {
  let served: Served
  let client: pg.Client
  beforeAll(async () => {
    served = await createServed()
    client = new pg.Client(served.database.url)
    await client.connect()
    await client.query(`alter database ${client.database} set synchronous_commit = off`)
    await client.query(WITNESS)
  })
  afterAll(async () => {
    await client.end()
    await served.close()
  })

  it('changes nothing: what ingest, sealing and anchoring write is committed with it on', async () => {
    const fresh = new pg.Client(served.database.url)
    await fresh.connect()
    expect((await fresh.query('show synchronous_commit')).rows).toEqual([{ synchronous_commit: 'off' }])
    await fresh.end()

    await expectCommittedWithItOn(1)
  })

  it('nor does a DATABASE_URL with options of its own, which are kept', async () => {
    const url = new URL(served.database.url)
    url.searchParams.set('options', '-c synchronous_commit=off -c work_mem=7MB')
    await expectCommittedWithItOn(2, url.href)
    const database = openDatabase({ url: url.href, poolSize: 1, name: 'test' })
    try {
      expect((await database.pool.query('show work_mem')).rows).toEqual([{ work_mem: '7MB' }])
    } finally {
      await database.close()
    }
  })

  /** Pushes, seals and anchors one record, and reads how the writers of each step committed. */
  async function expectCommittedWithItOn(record: number, databaseUrl?: string): Promise<void> {
    await client.query('truncate witness')
    const daemon = await served.start(databaseUrl === undefined ? {} : { databaseUrl })
    await daemon.client.push(digest(record))
    await daemon.client.waitFor(digest(record), 'anchored', { deadlineMs: 20_000, pollMs: 100 })
    daemon.run.kill('SIGTERM')
    await daemon.run.exit()
    const { rows } = await client.query(
      'select distinct about, writer, synchronous_commit from witness order by about',
    )
    expect(rows).toEqual([
      { about: 'anchor', writer: 'holdfast-anchor', synchronous_commit: 'on' },
      { about: 'attempt', writer: 'holdfast-anchor', synchronous_commit: 'on' },
      { about: 'batch', writer: 'holdfast-seal', synchronous_commit: 'on' },
      { about: 'intake', writer: 'holdfast-ingest', synchronous_commit: 'on' },
    ])
  }
})

describe('an acknowledgement', () => {
  let server: ServerUnderTest
  beforeEach(async () => {
    server = await startServer()
  })
  afterEach(() => server.close())

  const bodies = {
    JSON: ['application/json', JSON.stringify({ hash: digest(1).toString('hex') })],
    NDJSON: ['application/x-ndjson', `"${digest(1).toString('hex')}"\n`],
    octets: ['application/octet-stream', digest(1)],
  } as const

  it.each(Object.entries(bodies))('waits for the commit: %s', async (_name, [type, body]) => {
    const gate = await server.database.pool.connect()
    await gate.query('begin')
    await gate.query('lock table intake in share mode')
    let answered = false
    const response = server
      .call('/v1/records', { method: 'POST', body, headers: { 'content-type': type } })
      .finally(() => {
        answered = true
      })
    await until(
      async () => {
        const { rows } = await server.database.pool.query(
          `select 1 from pg_stat_activity
           where datname = current_database() and wait_event_type = 'Lock' and query like 'insert into intake%'`,
        )
        return rows.length > 0
      },
      { what: 'the insert that waits for the lock' },
    )
    expect(answered).toBe(false)
    expect(await server.stored()).toEqual([])
    await gate.query('commit')
    gate.release()
    expect((await response).status).toBe(202)
    expect(await server.stored()).toEqual([digest(1)])
  })

  it('is not given when the commit itself fails', async () => {
    await server.database.pool.query(`
      create function refuse() returns trigger language plpgsql as $$
        begin raise exception 'refused at commit'; end $$;
      create constraint trigger refuse after insert on intake deferrable initially deferred
        for each row execute function refuse();
    `)
    const response = await server.call('/v1/records', {
      method: 'POST',
      body: digest(2),
      headers: { 'content-type': 'application/octet-stream' },
    })
    expect(response.status).toBe(500)
    expect(await server.stored()).toEqual([])
  })
})
