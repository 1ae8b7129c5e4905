import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '../../src/core/ports.ts'
import { sealBatch } from '../../src/seal/seal-batch.ts'
import { type SealLoop, startSealLoop } from '../../src/seal/seal-loop.ts'
import { type Database, openDatabase } from '../../src/store/connection/database.ts'
import { acquireLease } from '../../src/store/connection/leases.ts'
import { appendIntake } from '../../src/store/intake/intake.ts'
import { readPending } from '../../src/store/intake/pending.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { silentLogger } from '../support/logger.ts'

let server: TestDatabase
let database: Database
let loop: SealLoop | undefined

beforeEach(async () => {
  server = await createTestDatabase()
  database = openDatabase({ url: server.url, poolSize: 8, name: 'test' })
})
afterEach(async () => {
  await loop?.close()
  loop = undefined
  await database.close()
  await server.drop()
})

async function push(sourceId: number, leaves: number, chunks = 1): Promise<void> {
  const hashes = randomBytes(leaves * 32)
  for (let n = 0; n < chunks; n++) await appendIntake(database.pool, [{ sourceId, hashes }])
}

function start(more: { maxLeaves: number; faultPoint?: (name: string) => Promise<void> | void }): SealLoop {
  const { maxLeaves, faultPoint } = more
  loop = startSealLoop({
    database,
    owner: 'loop',
    options: { maxAgeMs: 50, maxLeaves, leaseTtlMs: 5_000, mergeFanOut: 4 },
    clock: systemClock,
    logger: silentLogger,
    onSealed() {},
    ...(faultPoint ? { faultPoint } : {}),
  })
  return loop
}

/** The batch that each source's first leaf is in. */
async function firstBatches(): Promise<Map<number, number>> {
  const { rows } = await database.pool.query<{ source: number; batch: number }>(
    'select source_id as source, min(batch_id) as batch from arrival group by 1',
  )
  return new Map(rows.map(({ source, batch }) => [source, batch]))
}

it('single hashes are in the next batch, however much of another source waits', async () => {
  await push(1, 10_000, 30)
  await push(2, 1)
  let committed = 0
  const running = start({
    maxLeaves: 50_000,
    async faultPoint(name) {
      // Between the first batch and the second.
      if (name === 'seal-after-commit' && ++committed === 1) await push(3, 1)
    },
  })
  expect(await running.flush(60_000)).toBe(true)
  const batches = await firstBatches()
  expect(committed).toBeGreaterThanOrEqual(6)
  expect([batches.get(1), batches.get(2), batches.get(3)]).toEqual([1, 1, 2])
})

it('two backlogs share every batch', async () => {
  await push(1, 10_000, 12)
  await push(2, 10_000, 12)
  await start({ maxLeaves: 80_000 }).flush(60_000)
  const { rows } = await database.pool.query<{ sources: number }>(
    'select count(distinct source_id)::int as sources from arrival group by batch_id order by batch_id',
  )
  expect(rows.map(({ sources }) => sources)).toEqual([2, 2, 2])
})

it('one look reads of every source, and the next goes on where more sources wait than it can read', async () => {
  await database.pool.query(
    `insert into intake (source_id, received_at, leaf_count, hashes)
     select s, now(), 1, decode(repeat('ab', 32), 'hex') from generate_series(1, 2500) s, generate_series(1, 3)`,
  )
  await push(7, 100, 200)
  const seen = new Set<number>()
  let fromSource = 0
  let looks = 0
  do {
    const pending = await readPending(database.pool, { limit: 2_000, fromSource })
    expect(pending.complete).toBe(false)
    for (const { sourceId } of pending.chunks) seen.add(sourceId)
    fromSource = pending.nextSource
    looks++
  } while (fromSource !== 0)
  expect(looks).toBe(3)
  expect(seen.size).toBe(2_500)
  expect(await start({ maxLeaves: 1_000_000 }).flush(60_000)).toBe(true)
  expect((await firstBatches()).size).toBe(2_500)
})

it('a batch that is told it has enough closes with what was read, and the rest stays for the next', async () => {
  await push(1, 65_536, 3)
  const lease = (await acquireLease(database.pool, 'seal', 'test', 60_000))!
  const { chunks } = await readPending(database.pool, { limit: 10 })
  const [reader, writer] = [await database.pool.connect(), await database.pool.connect()]
  const sealed = await sealBatch({ reader, writer, lease, chunks, enough: () => true })
  for (const client of [reader, writer]) client.release()
  expect(sealed.leafCount).toBe(65_536)
  expect(sealed.chunks).toEqual([chunks[0]])
  const left = await readPending(database.pool, { limit: 10 })
  expect(left.chunks.map(({ id }) => id)).toEqual([chunks[1]!.id, chunks[2]!.id])
})
