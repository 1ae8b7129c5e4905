import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/store/connection/database.ts'
import { findPending } from '../../src/store/intake/find-pending.ts'
import { createSource } from '../../src/store/intake/sources.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let server: TestDatabase
let database: Database
let sourceId: number
beforeAll(async () => {
  server = await createTestDatabase()
  database = openDatabase({ url: server.url, poolSize: 1, name: 'test', plansOnce: true })
  sourceId = (await createSource(database.db, { name: 'erp', scopes: ['ingest'] })).source.id
})
beforeEach(() => database.pool.query('delete from intake'))
afterAll(async () => {
  await database.close()
  await server.drop()
})

function chunk(hashes: readonly Buffer[], receivedAtMs: number) {
  return database.pool.query(
    'insert into intake (source_id, received_at, leaf_count, hashes) values ($1, $2, $3, $4)',
    [sourceId, new Date(receivedAtMs), hashes.length, Buffer.concat(hashes)],
  )
}

/** Hashes of two byte values only, so that they recur across the borders of others. */
const repetitive = fc
  .tuple(fc.constantFrom(0, 1), fc.nat(32), fc.constantFrom(0, 1))
  .map(([first, length, rest]) =>
    Buffer.concat([Buffer.alloc(length, first), Buffer.alloc(32 - length, rest)]),
  )

it('finds whole hashes and only them, and the earliest chunk that has them', async () => {
  await fc.assert(
    fc
      .asyncProperty(
        fc.array(fc.array(repetitive, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 4 }),
        fc.array(repetitive, { minLength: 1, maxLength: 20 }),
        async (chunks, sought) => {
          for (const [i, hashes] of chunks.entries()) await chunk(hashes, 1_000 * (i + 1))
          const { found, complete } = await findPending(database.pool, sought, 1_000)
          expect(complete).toBe(true)
          const first = (hash: Buffer) =>
            chunks.findIndex((hashes) => hashes.some((each) => each.equals(hash)))
          expect(found).toEqual(
            sought.map((hash) =>
              first(hash) < 0 ? undefined : { source: 'erp', receivedAtMs: 1_000 * (first(hash) + 1) },
            ),
          )
        },
      )
      .afterEach(async () => void (await database.pool.query('delete from intake'))),
    { numRuns: 60 },
  )
})

it('reads the newest chunks that fit its budget, and says that older ones wait', async () => {
  const chunks = [0, 1, 2].map(() => Array.from({ length: 10 }, () => randomBytes(32)))
  for (const [i, hashes] of chunks.entries()) await chunk(hashes, i)
  const sought = chunks.map((hashes) => hashes[3]!)
  const shape = async (budget: number) => {
    const { found, complete } = await findPending(database.pool, sought, budget)
    return { found: found.map((each) => each !== undefined), complete }
  }
  expect(await shape(30)).toEqual({ found: [true, true, true], complete: true })
  expect(await shape(29)).toEqual({ found: [false, true, true], complete: false })
  expect(await shape(10)).toEqual({ found: [false, false, true], complete: false })
  expect(await shape(9)).toEqual({ found: [false, false, false], complete: false })
})

it('of nothing pending is complete', async () => {
  expect(await findPending(database.pool, [randomBytes(32)], 10)).toEqual({
    found: [undefined],
    complete: true,
  })
})
