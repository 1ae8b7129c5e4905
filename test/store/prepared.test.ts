import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/store/connection/database.ts'
import { isDatabaseUnavailable } from '../../src/store/connection/failures.ts'
import { runPrepared } from '../../src/store/connection/prepared.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let server: TestDatabase
let database: Database
beforeAll(async () => {
  server = await createTestDatabase()
  database = openDatabase({ url: server.url, poolSize: 1, name: 'test' })
})
afterAll(async () => {
  await database.close()
  await server.drop()
})

const run = (name: string, text: string, values: (Buffer | string | null)[] = []) =>
  runPrepared(database.pool, { name, text }, values)
const backend = async () => (await database.pool.query('select pg_backend_pid() as pid')).rows[0].pid

it('gives every row as text, with what was sent as text or as bytes', async () => {
  const text = 'select n, $1::text, $2::bytea, $3::int from generate_series(1, $4::int) n'
  for (const word of ['größer', "it's"]) {
    expect(await run('rows', text, [word, Buffer.from([0, 255, 92]), null, '2'])).toEqual([
      ['1', word, '\\x00ff5c', null],
      ['2', word, '\\x00ff5c', null],
    ])
  }
  expect(await run('no-rows', 'select 1 where false')).toEqual([])
  expect(await run('no-result', 'set local work_mem = 4096')).toEqual([])
})

it('is parsed once a connection, whatever else runs on it', async () => {
  await run('once', 'select 1')
  await database.pool.query('select 2')
  await Promise.all([run('once', 'select 1'), run('twice', 'select 2'), run('once', 'select 1')])
  const { rows } = await database.pool.query(
    `select name, (generic_plans + custom_plans)::int as runs from pg_prepared_statements
     where name in ('once', 'twice') order by name`,
  )
  expect(rows).toEqual([
    { name: 'once', runs: 3 },
    { name: 'twice', runs: 1 },
  ])
})

it('fails with the error of the server, and what comes after it does not', async () => {
  await expect(run('not-sql', 'selct 1')).rejects.toMatchObject({ code: '42601' })
  await expect(run('divides', 'select 1 / $1::int', ['0'])).rejects.toMatchObject({ code: '22012' })
  expect(await run('divides', 'select 1 / $1::int', ['1'])).toEqual([['1']])
  // After some rows, too.
  const later = run('later', 'select 1 / (3 - n) from generate_series(1, $1::int) n', ['3'])
  await expect(later).rejects.toMatchObject({ code: '22012' })
  expect(await run('divides', 'select 1 / $1::int', ['1'])).toEqual([['1']])
})

it('fails as unavailable when its connection goes, and the next one has another', async () => {
  const pid = await backend()
  const sleeping = run('sleeps', 'select pg_sleep(60)').catch((error: unknown) => error)
  const other = openDatabase({ url: server.url, poolSize: 1, name: 'test' })
  await other.pool.query('select pg_terminate_backend($1)', [pid])
  await other.close()
  expect(isDatabaseUnavailable(await sleeping)).toBe(true)
  expect(await run('once', 'select 1')).toEqual([['1']])
})
