import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HoldfastError } from '../../src/core/errors.ts'
import { openDatabase } from '../../src/store/connection/database.ts'
import { asStoreError, databaseFailure } from '../../src/store/connection/failures.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
let admin: pg.Client
beforeAll(async () => {
  database = await createTestDatabase()
  admin = new pg.Client(database.url)
  await admin.connect()
})
afterAll(async () => {
  await admin.end()
  await database.drop()
})

/** Every SQLSTATE that a healthy Holdfast may meet, and some of its own making. */
const STATES: Readonly<Record<'transient' | 'configuration' | 'ours', readonly string[]>> = {
  transient: [
    ...['08000', '08003', '08006', '08P01', '25006', '25P03', '25P04', '26000', '40001', '40003', '40P01'],
    ...['42P05', '53000', '53100', '53200', '53300', '53400', '55000', '55006', '55P03', '57000', '57014'],
    ...[
      '57P01',
      '57P02',
      '57P03',
      '57P04',
      '57P05',
      '58000',
      '58030',
      '58P01',
      '72000',
      'XX000',
      'XX001',
      'XX002',
    ],
  ],
  configuration: [
    '28000',
    '28P01',
    '3D000',
    '3F000',
    '42501',
    '42P01',
    '42703',
    '42704',
    '42883',
    '55P02',
    'F0000',
  ],
  ours: [
    '0A000',
    '21000',
    '22001',
    '22003',
    '22P02',
    '23502',
    '23503',
    '23505',
    '23514',
    '25P02',
    '42601',
    '54000',
    'P0001',
  ],
}

describe('an answer of PostgreSQL', () => {
  it.each(Object.entries(STATES).flatMap(([kind, states]) => states.map((state) => ({ kind, state }))))(
    '$state is $kind',
    async ({ kind, state }) => {
      const error = await admin
        .query(`do $$ begin raise exception 'as told' using errcode = '${state}'; end $$`)
        .catch((error: unknown) => error)
      expect(databaseFailure(error)).toMatchObject({ kind })
      const known = asStoreError(error)
      if (kind === 'ours') return expect(known).toBe(error)
      expect(known).toBeInstanceOf(HoldfastError)
      expect(known).toMatchObject({ code: 'DATABASE_UNAVAILABLE', status: 503, cause: error })
      expect((known as HoldfastError).context.retryAfter).toBeGreaterThan(0)
    },
  )

  it('to a statement that was planned before a migration is transient, and the next plan is a new one', async () => {
    const { pool, close } = openDatabase({ url: database.url, poolSize: 1, name: 'test' })
    try {
      await pool.query('create table changing (a int)')
      const ask = () => pool.query({ name: 'ask', text: 'select * from changing' })
      await ask()
      await admin.query('alter table changing add b int')
      const error = await ask().catch((error: unknown) => error)
      expect(databaseFailure(error)).toMatchObject({ kind: 'transient' })
      expect((await ask()).fields).toHaveLength(2)
    } finally {
      await close()
    }
  })
})

describe('a connection', () => {
  const failureOf = async (url: string) => {
    const { pool, close } = openDatabase({ url, poolSize: 1, name: 'test' })
    try {
      return databaseFailure(await pool.query('select 1').catch((error: unknown) => error))
    } finally {
      await close()
    }
  }
  const changed = (
    parts: Partial<Record<'hostname' | 'port' | 'pathname' | 'username' | 'password' | 'search', string>>,
  ) => Object.assign(new URL(database.url), parts).href

  it.each([
    { name: 'with a wrong password', parts: { password: 'wrong' }, kind: 'configuration', why: /password/ },
    { name: 'without a password', parts: { password: '' }, kind: 'configuration', why: /password/ },
    {
      name: 'as a role that is missing',
      parts: { username: 'nobody_here' },
      kind: 'configuration',
      why: /role/,
    },
    {
      name: 'to a database that is missing',
      parts: { pathname: '/nowhere' },
      kind: 'configuration',
      why: /no such/,
    },
    {
      name: 'by TLS to a server without',
      parts: { search: 'sslmode=require' },
      kind: 'configuration',
      why: /TLS/,
    },
    { name: 'to a port where nobody listens', parts: { port: '9' }, kind: 'transient', why: /reached/ },
    {
      name: 'to a host that is not there',
      parts: { hostname: 'x.invalid' },
      kind: 'transient',
      why: /reached/,
    },
  ])('$name is $kind', async ({ parts, kind, why }) => {
    expect(await failureOf(changed(parts))).toEqual({ kind, why: expect.stringMatching(why) })
  })

  it('of a role that has too many is transient', async () => {
    const role = `role_${randomBytes(6).toString('hex')}`
    await admin.query(`create role ${role} login password 'secret' connection limit 0`)
    const url = changed({ username: role, password: 'secret' })
    expect(await failureOf(url)).toEqual({ kind: 'transient', why: 'it takes no more connections' })
    await admin.query(`alter role ${role} nologin`)
    expect(await failureOf(url)).toMatchObject({ kind: 'configuration' })
    await admin.query(`drop role ${role}`)
  })

  it('to a database that takes none is transient', async () => {
    const closed = await createTestDatabase()
    const name = new URL(closed.url).pathname.slice(1)
    await admin.query(`alter database ${name} allow_connections false`)
    expect(await failureOf(closed.url)).toMatchObject({ kind: 'transient' })
    await closed.drop()
  })

  it('to something that is no PostgreSQL is transient', async () => {
    const server = createServer((socket) => socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    expect(await failureOf(changed({ port: String(port) }))).toMatchObject({ kind: 'transient' })
    await new Promise((resolve) => server.close(resolve))
  })
})

describe('an error of something else', () => {
  it.each([
    new Error('no such luck'),
    Object.assign(new Error('no such file'), { code: 'ENOENT', syscall: 'open' }),
    new HoldfastError('CHAIN_UNAVAILABLE', 'No endpoint answers.'),
    'a text',
    undefined,
  ])('%s is none of the database’s', (error) => {
    expect(databaseFailure(error)).toBeNull()
    expect(asStoreError(error)).toBe(error)
  })
})
