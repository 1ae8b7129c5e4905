import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { leafOf } from '../../src/merkle/path.ts'
import { createProver } from '../../src/prove/prover.ts'
import { sealBatch } from '../../src/seal/seal-batch.ts'
import { type Database, openDatabase } from '../../src/store/connection/database.ts'
import { acquireLease, type Lease } from '../../src/store/connection/leases.ts'
import { findEarliestLeaves } from '../../src/store/index/find-leaves.ts'
import { PAGE_ENTRIES } from '../../src/store/index/leaf-index.ts'
import { appendIntake } from '../../src/store/intake/intake.ts'
import { readPending } from '../../src/store/intake/pending.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

/*
 * Nobody can make leaves that share eight bytes by the hundred, so the index is written by hand: every entry has the key
 * of one record, wherever it points. Look-ups must follow the key through all its pages and believe the tiles alone.
 */

const BATCHES = 6
const BATCH_LEAVES = 400
/** Fewer hashes than leaves: each stands several times in a batch, or in several, or in none. */
const HASHES = 500
const digest = (n: number) => createHash('sha256').update(`colliding ${n}`).digest()

let server: TestDatabase
let database: Database
let lease: Lease
/** Of each batch, the number of the hash that stands at each leaf. */
const batches: number[][] = []

beforeAll(async () => {
  server = await createTestDatabase()
  database = openDatabase({ url: server.url, poolSize: 4, name: 'test', plansOnce: true })
  lease = (await acquireLease(database.pool, 'seal', 'test', 60_000))!
  for (let batch = 0; batch < BATCHES; batch++) {
    const numbers = Array.from({ length: BATCH_LEAVES }, (_, i) => (i * i * 7 + batch * 31 + i) % HASHES)
    batches.push(numbers)
    await appendIntake(database.pool, [{ sourceId: 1, hashes: Buffer.concat(numbers.map(digest)) }])
    const [reader, writer] = [await database.pool.connect(), await database.pool.connect()]
    const chunks = (await readPending(database.pool, { limit: 10 })).chunks
    await sealBatch({ reader, writer, lease, chunks })
    reader.release()
    writer.release()
  }
})
afterAll(async () => {
  await database.close()
  await server.drop()
})

type Entry = { key: Buffer; batchId: number; leafIndex: number }

/** All leaves of all batches; `keyOf` says under which key. */
function entriesOf(keyOf: (hash: number, place: number) => Buffer): Entry[] {
  return batches.flatMap((numbers, batch) =>
    numbers.map((hash, leafIndex) => ({
      key: keyOf(hash, batch * BATCH_LEAVES + leafIndex),
      batchId: batch + 1,
      leafIndex,
    })),
  )
}

/** Replaces the index: a run for each group of neighbouring batches, cut into pages of these sizes in turn. */
async function writeIndex(entries: Entry[], runEnds: number[], pageSizes: number[]): Promise<void> {
  await database.pool.query('truncate leaf_run, leaf_page')
  let from = 1
  for (const to of [...runEnds, BATCHES]) {
    const run = entries.filter(({ batchId }) => batchId >= from && batchId <= to)
    from = to + 1
    if (run.length === 0) continue
    run.sort((a, b) => a.key.compare(b.key) || a.batchId - b.batchId || a.leafIndex - b.leafIndex)
    const packed = run.map(({ key, batchId, leafIndex }) => {
      const entry = Buffer.alloc(16)
      key.copy(entry)
      entry.writeUInt32BE(batchId, 8)
      entry.writeUInt32BE(leafIndex, 12)
      return entry
    })
    const pages: Buffer[][] = []
    for (let at = 0, n = 0; at < packed.length; n++) {
      const size = pageSizes[n % pageSizes.length]!
      pages.push(packed.slice(at, at + size))
      at += size
    }
    await database.pool.query(
      `with run as (insert into leaf_run (tier, entry_count, page_count) values (0, $1, $2) returning id)
       insert into leaf_page select id, first_entry, entries
       from run, unnest($3::bytea[], $4::bytea[]) page (first_entry, entries)`,
      [run.length, pages.length, pages.map(([first]) => first), pages.map((page) => Buffer.concat(page))],
    )
  }
}

/** Puts these batches, and only these, into an anchor that is in a block. */
async function anchorBatches(standing: number[]): Promise<void> {
  await database.pool.query('truncate anchor, anchor_batch, attempt')
  for (const batchId of standing) {
    await database.pool.query(
      `with made as (
         insert into anchor (chain_id, registry, publisher, mode, root, state, first_batch, last_batch, leaf_count, anchor_by,
           transaction_hash, block_number, block_hash, block_time)
         select 31337, '0x00', '0x00', 'event', root, 'mined', id, id, leaf_count, now(), root, 1, root, now()
         from batch where id = $1 returning id)
       insert into anchor_batch select $1, id, '' from made`,
      [batchId],
    )
  }
}

/** The first place of the hash among the batches given, by reading all leaves. */
function firstPlace(hash: number, among: (batchId: number) => boolean) {
  for (const [batch, numbers] of batches.entries()) {
    const leafIndex = among(batch + 1) ? numbers.indexOf(hash) : -1
    if (leafIndex >= 0) return { batchId: batch + 1, leafIndex }
  }
  return undefined
}

const scenario = fc.record({
  target: fc.integer({ min: 0, max: HASHES - 1 }),
  runEnds: fc.subarray([1, 2, 3, 4, 5]),
  pageSizes: fc.array(fc.integer({ min: 1, max: PAGE_ENTRIES }), { minLength: 1, maxLength: 4 }),
  standing: fc.subarray([1, 2, 3, 4, 5, 6]),
  /** Of other hashes' entries, how many in eight keep a key of their own. */
  apart: fc.integer({ min: 0, max: 7 }),
})

it('a record is found at the earliest leaf whose anchor stands, whatever else shares its key', async () => {
  const prover = createProver({ pool: database.pool, anchorBy: () => null })
  await fc.assert(
    fc.asyncProperty(scenario, async ({ target, runEnds, pageSizes, standing, apart }) => {
      const key = leafOf(digest(target)).subarray(0, 8)
      const entries = entriesOf((hash, place) =>
        hash !== target && place % 8 < apart ? leafOf(digest(hash)).subarray(0, 8) : key,
      )
      await writeIndex(entries, runEnds, pageSizes)
      await anchorBatches(standing)
      const earliest = firstPlace(target, () => true)
      const record = { hash: digest(target), leaf: leafOf(digest(target)) }
      for (const records of [[record], [record, record]]) {
        for (const found of await findEarliestLeaves(database.pool, records)) {
          const place = found && { batchId: found.origin.batchId, leafIndex: found.origin.leafIndex }
          expect(place).toEqual(earliest)
        }
      }
      const provable = firstPlace(target, (batchId) => standing.includes(batchId))
      const outcome = await prover.receipt(record.hash)
      if (earliest === undefined) expect(outcome).toBeNull()
      else if (provable === undefined) expect(outcome).toMatchObject({ kind: 'pending' })
      else {
        const { batchId, leafIndex } = provable
        expect(outcome).toMatchObject({ receipt: { batch: { id: String(batchId), leafIndex } } })
      }
    }),
    { numRuns: 40 },
  )
})

it('a record behind 1,500 entries with its key in one run is found', async () => {
  const target = batches[4]!.find((hash) => firstPlace(hash, (id) => id < 5) === undefined)!
  const key = leafOf(digest(target)).subarray(0, 8)
  await writeIndex(
    entriesOf(() => key),
    [],
    [PAGE_ENTRIES],
  )
  const [found] = await findEarliestLeaves(database.pool, [
    { hash: digest(target), leaf: leafOf(digest(target)) },
  ])
  expect(found!.origin).toMatchObject(firstPlace(target, () => true)!)
})
