import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createServed, digest, type Served } from '../e2e/served.ts'
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../support/pgbouncer.ts'
import { runHoldfast } from '../support/process.ts'

const isThere = hasPgBouncer()

let served: Served
let pooler: PgBouncer
beforeAll(async () => {
  served = await createServed()
})
afterEach(() => pooler.stop())
afterAll(() => served.close())

describe.skipIf(!isThere)('behind PgBouncer in session mode', () => {
  it.each([
    { name: 'that refuses options at startup', settings: {} },
    { name: 'that ignores options at startup', settings: { ignore_startup_parameters: 'options' } },
    { name: 'that uses its server connections in turn', settings: { server_round_robin: '1' } },
  ])('$name, the whole story runs, and every commit is synchronous', async ({ settings }) => {
    pooler = await startPgBouncer(served.database.url, { pool_mode: 'session', ...settings })
    const n = Object.keys(settings).join().length
    const witness = new pg.Client(served.database.url)
    await witness.connect()
    await witness.query(`alter database ${witness.database} set synchronous_commit = off`)
    await witness.query(`alter database ${witness.database} set datestyle = 'SQL, DMY'`)
    await witness.query(WITNESS)
    const { run, client } = await served.start({ databaseUrl: pooler.url })
    await client.push(digest(n))
    await client.waitFor(digest(n), 'anchored', { deadlineMs: 30_000, pollMs: 100 })
    run.kill('SIGTERM')
    expect(await run.exit()).toEqual({ code: 0, signal: null })
    const { rows } = await witness.query(
      'select distinct about, synchronous_commit from witness order by about',
    )
    expect(rows).toEqual(
      ['anchor', 'attempt', 'batch', 'intake'].map((about) => ({ about, synchronous_commit: 'on' })),
    )
    await witness.query('drop table witness; drop function witness cascade')
    await witness.end()

    const doctor = runHoldfast(['doctor'], { env: { ...served.env, DATABASE_URL: pooler.url } })
    await doctor.exit()
    expect(doctor.stdout()).toMatch(/^(ok|warn) +database: PostgreSQL/m)
  })
})

const WITNESS = `
  drop table if exists witness;
  drop function if exists witness cascade;
  create table witness (about text, synchronous_commit text);
  create function witness() returns trigger language plpgsql as $$
    begin
      insert into witness
        values (regexp_replace(tg_table_name, '_[0-9]$', ''), current_setting('synchronous_commit'));
      return null;
    end $$;
  create trigger witness after insert on intake for each row execute function witness();
  create trigger witness after insert on batch execute function witness();
  create trigger witness after insert on anchor execute function witness();
  create trigger witness after insert on attempt execute function witness();
`

describe.skipIf(!isThere)('behind a PgBouncer that takes sessions away', () => {
  it.each([
    { mode: 'transaction', settings: {} },
    { mode: 'transaction', settings: { ignore_startup_parameters: 'options', server_round_robin: '1' } },
    { mode: 'transaction', settings: { default_pool_size: '1' } },
    { mode: 'statement', settings: {} },
  ])('in $mode mode ($settings), every start is refused with one sentence', async ({ mode, settings }) => {
    pooler = await startPgBouncer(served.database.url, { pool_mode: mode, ...settings })
    const env = { ...served.env, DATABASE_URL: pooler.url }
    const isFirst = mode === 'transaction' && Object.keys(settings).length === 0
    for (const command of isFirst ? [['serve'], ['migrate'], ['keys', 'list'], ['deploy']] : [['serve']]) {
      const run = runHoldfast(command, { env })
      expect(await run.exit(), command.join(' ')).toEqual({ code: 78, signal: null })
      expect(run.stderr()).toMatch(
        /^INVALID_CONFIG: DATABASE_URL leads to a connection pooler in transaction or statement mode .*Use session mode, or connect to PostgreSQL directly\.\n$/,
      )
    }
    const doctor = runHoldfast(['doctor'], { env })
    expect((await doctor.exit()).code).toBe(1)
    expect(doctor.stdout()).toMatch(/^fail {2}database: DATABASE_URL leads to a connection pooler/m)
  })
})

describe.skipIf(!isThere)('behind a PgBouncer that cannot serve', () => {
  it('the start names the cause, and may be tried again', async () => {
    pooler = await startPgBouncer(served.database.url, { pool_mode: 'session' })
    const nowhere = new URL(pooler.url)
    nowhere.pathname = '/nowhere'
    const run = runHoldfast(['serve'], { env: { ...served.env, DATABASE_URL: nowhere.href } })
    expect((await run.exit()).code).toBe(75)
    expect(run.stderr()).toMatch(
      /^DATABASE_UNAVAILABLE: The database nowhere at .* cannot serve now: .*(config error|no such database).*\n$/,
    )
  })
})
