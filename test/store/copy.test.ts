import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openCopy } from '../../src/store/connection/copy.ts'
import { copyOut, createCopyMemory } from '../../src/store/connection/copy-out.ts'
import { type Database, openDatabase } from '../../src/store/connection/database.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let server: TestDatabase
let database: Database
beforeAll(async () => {
  server = await createTestDatabase()
  database = openDatabase({ url: server.url, poolSize: 1, name: 'test' })
  await database.pool.query('create table copied (number int4, bytes bytea)')
})
afterAll(async () => {
  await database.close()
  await server.drop()
})

/** Row `number`, of any length up to 9,000 bytes or, now and then, longer than the writer's buffer. */
function rowBytes(number: number): Buffer {
  const seed = createHash('sha256').update(String(number)).digest()
  const length = number % 1_000 === 999 ? 300_000 : seed.readUInt32BE() % 9_000
  return Buffer.alloc(length, seed)
}

it('rows arrive as they were given, although the writer fills its buffers again', async () => {
  const rows = 6_000
  const client = await database.pool.connect()
  try {
    const copy = openCopy(client, 'copied', ['number', 'bytes'])
    for (let number = 0; number < rows; number++) {
      copy.row([{ int4: number }, { bytea: rowBytes(number) }])
      // Some megabytes are given ahead of what the connection takes.
      if (number % 500 === 0) await copy.ready()
    }
    await copy.end()
    const memory = createCopyMemory()
    for (let from = 0; from < rows; from += 500) {
      const read = await copyOut(
        client,
        `select number, bytes from copied where number >= ${from} and number < ${from + 500} order by number`,
        memory,
      )
      expect(read).toHaveLength(500)
      const wrong = read.filter(([number, bytes]) => !bytes!.equals(rowBytes(number!.readInt32BE())))
      expect(wrong).toEqual([])
    }
  } finally {
    client.release()
  }
})

it('a buffer that the socket still holds is not filled again, while the server does not read', async () => {
  const client = await database.pool.connect()
  try {
    await client.query(`create table slow (number int4, bytes bytea);
      create function doze() returns trigger language plpgsql as
        'begin perform pg_sleep(0.5); return new; end';
      create trigger doze before insert on slow for each row when (new.number = 10) execute function doze()`)
    // Shorter than the socket's high-water mark, which makes pg-copy-streams call back at once.
    const copy = openCopy(client, 'slow', ['number', 'bytes'], 8192)
    const rows = 4_000
    for (let number = 0; number < rows; number++) {
      copy.row([{ int4: number }, { bytea: Buffer.alloc(7_000, number % 251) }])
      // Lets write callbacks run, and does not wait for the connection.
      if (number % 10 === 0) await new Promise(setImmediate)
    }
    await copy.end()
    const { rows: wrong } = await client.query(
      `select number from slow
       where bytes <> decode(repeat(lpad(to_hex(number % 251), 2, '0'), 7000), 'hex')`,
    )
    expect(wrong).toEqual([])
    expect((await client.query('select count(*)::int as n from slow')).rows).toEqual([{ n: rows }])
  } finally {
    client.release()
  }
})

it('results in memories of their own do not touch each other', async () => {
  const client = await database.pool.connect()
  try {
    const memories = [createCopyMemory(), createCopyMemory()] as const
    const stored = [randomBytes(100_000), randomBytes(50_000)]
    await client.query('create temporary table kept (id int, bytes bytea)')
    for (const [id, bytes] of stored.entries())
      await client.query('insert into kept values ($1, $2)', [id, bytes])
    const read = async (id: 0 | 1) => {
      const rows = await copyOut(client, `select bytes from kept where id = ${id}`, memories[id])
      return rows[0]![0]!
    }
    const results = [await read(0), await read(1)]
    expect(results.map((bytes, id) => bytes.equals(stored[id]!))).toEqual([true, true])
  } finally {
    client.release()
  }
})
