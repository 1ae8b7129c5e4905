import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '../../src/core/ports.ts'
import { type SealLoop, startSealLoop } from '../../src/seal/seal-loop.ts'
import { type Database, openDatabase } from '../../src/store/connection/database.ts'
import { acquireLease } from '../../src/store/connection/leases.ts'
import { appendIntake } from '../../src/store/intake/intake.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { silentLogger } from '../support/logger.ts'
import { until } from '../support/wait.ts'

const TTL_MS = 1_000

let server: TestDatabase
let database: Database
const loops: SealLoop[] = []

beforeEach(async () => {
  server = await createTestDatabase()
  database = openDatabase({ url: server.url, poolSize: 20, name: 'test' })
})
afterEach(async () => {
  await Promise.all(loops.splice(0).map((loop) => loop.close()))
  await database.close()
  await server.drop()
})

async function push(leaves: number, chunks = 1): Promise<void> {
  const hashes = randomBytes(leaves * 32)
  for (let n = 0; n < chunks; n++) await appendIntake(database.pool, [{ sourceId: 1, hashes }])
}

function start(
  owner: string,
  more: { stuckMs?: number; faultPoint?: (name: string) => Promise<void> | void } = {},
): SealLoop {
  const loop = startSealLoop({
    database,
    owner,
    options: { maxAgeMs: 50, maxLeaves: 1_000_000, leaseTtlMs: TTL_MS, mergeFanOut: 4 },
    clock: systemClock,
    logger: silentLogger,
    onSealed() {},
    ...more,
  })
  loops.push(loop)
  return loop
}

async function scalar<T>(text: string): Promise<T> {
  const { rows } = await database.pool.query<{ value: T }>(`select ${text} as value`)
  return rows[0]!.value
}

it('a batch that takes longer than the lease’s time keeps the lease', async () => {
  const lock = await database.pool.connect()
  await lock.query('begin')
  await lock.query('lock table tile in share mode')
  await push(10)
  const loop = start('first')
  await until(() => scalar<boolean>(`exists (select from lease where owner = 'first')`), {
    what: 'the lease',
  })
  const taken: unknown[] = []
  for (const end = performance.now() + 3 * TTL_MS; performance.now() < end; ) {
    taken.push(await acquireLease(database.pool, 'seal', 'second', TTL_MS))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await lock.query('commit')
  lock.release()
  expect(await loop.flush(10_000)).toBe(true)
  taken.push(await acquireLease(database.pool, 'seal', 'second', TTL_MS))
  expect(taken.filter((each) => each !== null)).toEqual([])
  expect(await scalar('(select count(*)::int from batch)')).toBe(1)
})

it('a batch from which nothing comes loses the lease: another daemon seals, and nothing is sealed twice', async () => {
  await push(10)
  let goOn: () => void = () => {}
  let stuck = false
  const first = start('first', {
    stuckMs: 300,
    faultPoint: (name) => {
      if (name !== 'seal-tiles-written' || stuck) return
      stuck = true
      return new Promise<void>((resolve) => {
        goOn = resolve
      })
    },
  })
  await until(() => stuck, { what: 'the batch to be stuck' })
  start('second')
  await until(() => scalar<boolean>('exists (select from batch)'), { what: 'a batch by the second' })
  expect(await scalar(`(select owner from lease where name = 'seal')`)).toBe('second')
  goOn()
  await push(10)
  expect(await first.flush(10_000)).toBe(true)
  expect(await scalar('(select sum(leaf_count)::int from batch)')).toBe(20)
})

it('a loop that is closed under load ends its batch early, loses none, and gives the lease back', async () => {
  await push(65_536, 12)
  const loop = start('first')
  await until(
    () => scalar<boolean>(`exists (select from pg_stat_progress_copy where relid = 'tile'::regclass)`),
    {
      what: 'a batch under way',
      every: 1,
    },
  )
  const before = performance.now()
  await loop.close()
  expect(performance.now() - before).toBeLessThan(10_000)
  const sealed = await scalar<number>('(select coalesce(sum(leaf_count), 0)::int from batch)')
  const waiting = await scalar<number>('(select coalesce(sum(leaf_count), 0)::int from intake)')
  expect(sealed + waiting).toBe(12 * 65_536)
  expect(sealed).toBeGreaterThan(0)
  expect(sealed).toBeLessThan(12 * 65_536)
  expect(await acquireLease(database.pool, 'seal', 'second', TTL_MS)).not.toBeNull()
})

it('a loop that is closed while its batch cannot go on rolls it back within seconds', async () => {
  const lock = await database.pool.connect()
  await lock.query('begin')
  await lock.query('lock table tile in share mode')
  await push(10)
  const loop = start('first')
  await until(
    () => scalar<boolean>(`exists (select from pg_locks where relation = 'tile'::regclass and not granted)`),
    { what: 'the batch to wait' },
  )
  const before = performance.now()
  await loop.close()
  expect(performance.now() - before).toBeLessThan(10_000)
  await lock.query('commit')
  lock.release()
  expect(await scalar('(select count(*)::int from intake)')).toBe(1)
  expect(await acquireLease(database.pool, 'seal', 'second', TTL_MS)).not.toBeNull()
})
