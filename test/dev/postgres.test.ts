import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Postgres, startPostgres } from '../../src/dev/postgres.ts'
import { identify } from '../../src/dev/processes.ts'
import { until } from '../support/wait.ts'

let folder: string
let dataDir: string
const running: Postgres[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-postgres-'))
  chmodSync(folder, 0o755)
  dataDir = join(folder, 'data')
})

afterEach(async () => {
  for (const postgres of running.splice(0)) await postgres.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function start(options: Partial<Parameters<typeof startPostgres>[0]> = {}): Promise<Postgres> {
  const postgres = await startPostgres({
    dataDir,
    persistent: true,
    outside: join(tmpdir(), 'holdfast-test-outside'),
    ...options,
  })
  running.push(postgres)
  return postgres
}

async function query(url: string, text: string): Promise<pg.QueryResult> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return await client.query(text)
  } finally {
    await client.end()
  }
}

test('a new server is UTF-8, locale C, durable, on 127.0.0.1 only and wants its password', async () => {
  const postgres = await start()
  const { rows } = await query(
    postgres.url,
    `select pg_encoding_to_char(encoding) as encoding, datcollate, current_setting('listen_addresses') as listen,
            current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
            current_setting('unix_socket_directories') as sockets
     from pg_database where datname = current_database()`,
  )
  expect(rows[0]).toEqual({
    encoding: 'UTF8',
    datcollate: 'C',
    listen: '127.0.0.1',
    fsync: 'on',
    commit: 'on',
    sockets: '',
  })
  const wrong = new URL(postgres.url)
  wrong.password = 'wrong'
  await expect(query(wrong.href, 'select 1')).rejects.toThrow(/password authentication failed/)
})

test('data outlives stop and start, and the process does not outlive stop', async () => {
  const first = await start({ settings: { max_connections: '17' } })
  await query(first.url, 'create table kept as select 42 as answer')
  const limit = await query(first.url, `select current_setting('max_connections') as value`)
  expect(limit.rows[0].value).toBe('17')
  await first.stop()
  expect(identify(first.pid)).toBeNull()

  const second = await start()
  expect((await query(second.url, 'select answer from kept')).rows).toEqual([{ answer: 42 }])
})

test('data outlives kill -9 of the server', async () => {
  const first = await start()
  await query(first.url, 'create table kept as select 42 as answer')
  process.kill(first.pid, 'SIGKILL')
  expect(await first.exited).toContain('SIGKILL')
  await first.stop()

  const second = await start()
  expect((await query(second.url, 'select answer from kept')).rows).toEqual([{ answer: 42 }])
})

test('without persistence, stop leaves nothing', async () => {
  const postgres = await start({ persistent: false })
  await postgres.stop()
  expect(existsSync(postgres.dataDir)).toBe(false)
  expect(existsSync(dataDir)).toBe(false)
})

test('says which port is taken and how to choose another', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await until(() => server.listening, { what: 'the other program' })
  const { port } = server.address() as { port: number }
  await expect(start({ port, choosePort: '--postgres-port' })).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: expect.stringMatching(
      new RegExp(`Port ${port} on 127.0.0.1, wanted for PostgreSQL.*--postgres-port`),
    ),
  })
  server.close()
})

test('a second start on the same data is refused while the first runs', async () => {
  const first = await start()
  await expect(start()).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: expect.stringContaining('is in use by process'),
  })
  expect((await query(first.url, 'select 1 as one')).rows).toEqual([{ one: 1 }])
})

test('data of another PostgreSQL version is refused with the folder to delete', async () => {
  const first = await start()
  await first.stop()
  writeFileSync(join(first.dataDir, 'PG_VERSION'), '14\n')
  await expect(start()).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: expect.stringContaining(`${first.dataDir} was made by PostgreSQL 14`),
  })
})

test('data that was half made when the power went is made anew', async () => {
  const first = await start()
  await first.stop()
  rmSync(first.dataDir, { recursive: true })
  mkdirSync(`${first.dataDir}.making`)
  writeFileSync(join(`${first.dataDir}.making`, 'PG_VERSION'), '18\n')
  const second = await start()
  expect((await query(second.url, 'select 1 as one')).rows).toEqual([{ one: 1 }])
})

test('a pid file whose pid is now another program does not stop that program', async () => {
  const first = await start()
  await first.stop()
  writeFileSync(join(first.dataDir, 'postmaster.pid'), `${process.pid}\n${first.dataDir}\n`)
  const second = await start()
  expect(second.pid).not.toBe(process.pid)
})
