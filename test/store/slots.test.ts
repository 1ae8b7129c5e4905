import { randomBytes } from 'node:crypto'
import { Migrator } from 'kysely'
import pg from 'pg'
import { afterEach, beforeEach, expect, inject, it } from 'vitest'
import { systemClock } from '../../src/core/ports.ts'
import { startSealLoop } from '../../src/seal/seal-loop.ts'
import { type Database, openDatabase } from '../../src/store/connection/database.ts'
import { acquireLease, type Lease } from '../../src/store/connection/leases.ts'
import { MIGRATIONS } from '../../src/store/connection/migrate.ts'
import { appendIntake, createIntakeAppender, readChunkHashes } from '../../src/store/intake/intake.ts'
import { readPending } from '../../src/store/intake/pending.ts'
import { createSlotTurns, readSlots, SLOTS, truncateSlot } from '../../src/store/intake/slots.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { silentLogger } from '../support/logger.ts'
import { until } from '../support/wait.ts'

const MB = 2 ** 20

let server: TestDatabase
let database: Database
let lease: Lease

beforeEach(async () => {
  server = await createTestDatabase()
  database = openDatabase({ url: server.url, poolSize: 8, name: 'test' })
  lease = (await acquireLease(database.pool, 'seal', 'test', 60_000))!
})
afterEach(async () => {
  await database.close()
  await server.drop()
})

const push = (leaves: number, slot: number) =>
  appendIntake(database.pool, [{ sourceId: 1, hashes: randomBytes(leaves * 32) }], slot)

async function truncate(slot: number): Promise<boolean> {
  const client = await database.pool.connect()
  try {
    return await truncateSlot(client, lease, slot)
  } finally {
    client.release()
  }
}

it('commits go to one slot until it has had its share of bytes or rows, then to the next, and around', () => {
  const slotOf = createSlotTurns()
  const slots = Array.from({ length: 17 * SLOTS }, () => slotOf(8 * MB, 1))
  expect(slots).toEqual(Array.from(slots, (_, i) => Math.floor(i / 16) % SLOTS))
  const byRows = createSlotTurns()
  expect([byRows(32, 19_999), byRows(32, 1), byRows(32, 1)]).toEqual([0, 0, 1])
})

it('chunks of all slots are read in arrival order, sealed together, and their slots shrink once all is quiet', async () => {
  for (let n = 0; n < 3 * SLOTS; n++) await push(20_000, (n * 3) % SLOTS)
  const { chunks, complete } = await readPending(database.pool, { limit: 1_000 })
  expect(complete).toBe(true)
  expect(chunks.map(({ slot }) => slot)).toEqual(chunks.map((_, n) => (n * 3) % SLOTS))
  const before = (await readSlots(database.pool)).map(({ bytes }) => bytes)
  expect(Math.min(...before)).toBeGreaterThan(MB)
  await database.pool.query(`update lease set until = '-infinity'`)
  const loop = startSealLoop({
    database,
    owner: 'loop',
    options: { maxAgeMs: 50, maxLeaves: 200_000, leaseTtlMs: 5_000, mergeFanOut: 4 },
    clock: systemClock,
    logger: silentLogger,
    onSealed() {},
  })
  await until(
    async () => (await readSlots(database.pool)).every(({ bytes, empty }) => empty && bytes < MB / 4),
    { within: 60_000, what: 'the slots to be truncated' },
  )
  await loop.close()
  const { rows } = await database.pool.query('select sum(leaf_count)::int as leaves from batch')
  expect(rows).toEqual([{ leaves: 3 * SLOTS * 20_000 }])
})

it('a slot is truncated only when it is empty, nobody uses it, and the lease is held', async () => {
  await push(10, 2)
  expect(await truncate(2)).toBe(false)
  await database.pool.query('delete from intake')
  const user = await database.pool.connect()
  await user.query('begin')
  await user.query('select count(*) from intake_2')
  expect(await truncate(2)).toBe(false)
  await user.query('commit')
  user.release()
  expect(await truncate(2)).toBe(true)
  await database.pool.query('update lease set epoch = epoch + 1')
  await expect(truncate(2)).rejects.toMatchObject({ code: 'LEASE_LOST' })
})

it('the log that an older version wrote goes on as slot 0, with its chunks, its numbers, and its inserts', async () => {
  const name = `test_${randomBytes(8).toString('hex')}`
  const admin = new pg.Client(inject('databaseServerUrl'))
  await admin.connect()
  await admin.query(`create database ${name}`)
  const url = new URL(inject('databaseServerUrl'))
  url.pathname = `/${name}`
  const old = openDatabase({ url: url.href, poolSize: 2, name: 'test' })
  try {
    const getMigrations = async () => MIGRATIONS
    const migrator = new Migrator({ db: old.db, provider: { getMigrations } })
    await migrator.migrateTo('0006-merging-runs')
    const insert = `insert into intake (received_at, source_id, leaf_count, hashes) values (now(), 1, 1, $1) returning id`
    const hashes = [1, 2, 3].map((n) => Buffer.alloc(32, n))
    await old.pool.query(insert, [hashes[0]])
    const { error } = await migrator.migrateToLatest()
    expect(error).toBeUndefined()
    await old.pool.query(insert, [hashes[1]])
    const append = createIntakeAppender(old.pool)
    await append([{ sourceId: 1, hashes: hashes[2]! }])
    const { chunks } = await readPending(old.pool, { limit: 10 })
    expect(chunks.map(({ slot }) => slot)).toEqual([0, 0, 0])
    expect(chunks[1]!.id).toBeGreaterThan(chunks[0]!.id)
    const client = await old.pool.connect()
    expect(await readChunkHashes(client, chunks, { bytes: Buffer.alloc(0) })).toEqual(hashes)
    client.release()
  } finally {
    await old.close()
    await admin.query(`drop database ${name} with (force)`)
    await admin.end()
  }
})
