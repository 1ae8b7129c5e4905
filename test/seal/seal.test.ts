import { createHash, randomBytes } from 'node:crypto'
import keccak256 from 'keccak256'
import { MerkleTree } from 'merkletreejs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '../../src/core/ports.ts'
import { hashTile, leafOf, pathFromTiles } from '../../src/merkle/path.ts'
import { createProver } from '../../src/prove/prover.ts'
import { mergeStep } from '../../src/seal/merge-runs.ts'
import { createPace } from '../../src/seal/pace.ts'
import { sealBatch } from '../../src/seal/seal-batch.ts'
import { startSealLoop } from '../../src/seal/seal-loop.ts'
import { type Connection, type Database, openDatabase } from '../../src/store/connection/database.ts'
import { acquireLease, type Lease } from '../../src/store/connection/leases.ts'
import { findEarliestLeaves, findLeavesFrom } from '../../src/store/index/find-leaves.ts'
import type { FoundLeaf } from '../../src/store/index/leaf-rows.ts'
import { listRuns } from '../../src/store/index/leaf-runs.ts'
import { appendIntake } from '../../src/store/intake/intake.ts'
import { readPending } from '../../src/store/intake/pending.ts'
import { readTiles } from '../../src/store/sealed/read-tiles.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { silentLogger } from '../support/logger.ts'
import { until } from '../support/wait.ts'

let server: TestDatabase
let database: Database
let lease: Lease

beforeEach(async () => {
  server = await createTestDatabase()
  database = openDatabase({ url: server.url, poolSize: 6, name: 'test' })
  lease = (await acquireLease(database.pool, 'seal', 'test', 60_000))!
})

afterEach(async () => {
  await database.close()
  await server.drop()
})

const digest = (n: number) => createHash('sha256').update(`record ${n}`).digest()
const digests = (from: number, count: number) => Array.from({ length: count }, (_, i) => digest(from + i))

/** @param receivedAtMs as if the database's clock had shown this; default: what it shows */
async function push(hashes: Buffer[], sourceId = 1, receivedAtMs?: number): Promise<void> {
  await appendIntake(database.pool, [{ sourceId, hashes: Buffer.concat(hashes) }])
  if (receivedAtMs === undefined) return
  await database.pool.query('update intake set received_at = $1 where id = (select max(id) from intake)', [
    new Date(receivedAtMs),
  ])
}

async function withClients<T>(run: (reader: Connection, writer: Connection) => Promise<T>): Promise<T> {
  const reader = await database.pool.connect()
  const writer = await database.pool.connect()
  let failed = true
  try {
    const result = await run(reader, writer)
    failed = false
    return result
  } finally {
    reader.release(failed)
    writer.release(failed)
  }
}

function seal(options: { faultPoint?: (name: string) => void } = {}) {
  return withClients(async (reader, writer) => {
    const chunks = (await readPending(database.pool, { limit: 1000 })).chunks
    return sealBatch({ reader, writer, lease, chunks, ...options })
  })
}

/** One step of the next merge: in these tests, the whole merge. */
function merge(fanOut: number) {
  return withClients((reader, writer) => mergeStep({ reader, writer, lease, fanOut, pace: createPace() }))
}

async function count(table: string): Promise<number> {
  const { rows } = await database.pool.query(`select count(*)::int as n from ${table}`)
  return rows[0].n
}

function rootOf(hashes: Buffer[]): Buffer {
  return new MerkleTree(
    hashes.map((hash) => keccak256(keccak256(hash))),
    keccak256,
    { sortPairs: true },
  ).getRoot()
}

const recordsOf = (hashes: Buffer[]) => hashes.map((hash) => ({ hash, leaf: leafOf(hash) }))

/** Where each hash stands first, by the leaf index; null when it is unknown. */
async function placesOf(hashes: Buffer[]) {
  return (await findEarliestLeaves(database.pool, recordsOf(hashes))).map(placeOf)
}

function placeOf(leaf: FoundLeaf | undefined): { batchId: number; leafIndex: number } | null {
  return leaf ? { batchId: leaf.origin.batchId, leafIndex: leaf.origin.leafIndex } : null
}

/** Where the hash stands first in this batch or a later one. */
async function placeFrom(hash: Buffer, fromBatch: number) {
  const [leaf] = await findLeavesFrom(database.pool, recordsOf([hash]), [fromBatch])
  return placeOf(leaf)
}

/** An entry of the leaf index. */
function entryOf(key: Buffer, batchId: number, leafIndex: number): Buffer {
  const entry = Buffer.alloc(16)
  key.copy(entry)
  entry.writeUInt32BE(batchId, 8)
  entry.writeUInt32BE(leafIndex, 12)
  return entry
}

/** Adds a run of these pages that no batch has written. */
async function addRun(...pages: Buffer[][]): Promise<void> {
  await database.pool.query(
    `with run as (insert into leaf_run (tier, entry_count, page_count) values (0, $1, $2) returning id)
     insert into leaf_page select id, first_entry, entries from run, unnest($3::bytea[], $4::bytea[]) page (first_entry, entries)`,
    [
      pages.flat().length,
      pages.length,
      pages.map((page) => page[0]),
      pages.map((page) => Buffer.concat(page)),
    ],
  )
}

const prover = () => createProver({ pool: database.pool, anchorBy: () => null })

it('a batch holds the pending chunks in arrival order, and its root is merkletreejs’s', async () => {
  const hashes = digests(0, 700)
  await push(hashes.slice(0, 300), 1, 1_700_000_000_123)
  await push(hashes.slice(300, 301), 2, 1_700_000_001_000)
  await push(hashes.slice(301), 1, 1_700_000_002_999)
  const sealed = await seal()
  expect(sealed.leafCount).toBe(700)
  expect(sealed.root.equals(rootOf(hashes))).toBe(true)
  expect(await count('intake')).toBe(0)
  expect(await count('tile')).toBe(4)

  const first = await prover().record(hashes[0]!)
  expect(first).toMatchObject({
    status: 'sealed',
    receivedAt: '2023-11-14T22:13:20.123Z',
    batch: { id: '1', leafIndex: 0 },
  })
  const middle = await prover().record(hashes[300]!)
  expect(middle).toMatchObject({ receivedAt: '2023-11-14T22:13:21.000Z', batch: { leafIndex: 300 } })
  const last = await prover().record(hashes[699]!)
  expect(last).toMatchObject({ receivedAt: '2023-11-14T22:13:22.999Z', batch: { leafIndex: 699 } })
  expect(await prover().record(randomBytes(32))).toEqual({ kind: 'unknown', unsearched: null })
})

it('a chunk that commits late with a lower id stays in intake until the next batch', async () => {
  const late = await database.pool.connect()
  await late.query('begin')
  await late.query(
    'insert into intake (source_id, received_at, leaf_count, hashes) values (1, now(), 1, $1)',
    [digest(1)],
  )
  await push([digest(2)])
  await seal()
  await late.query('commit')
  late.release()
  expect(await count('intake')).toBe(1)
  const sealed = await seal()
  expect(sealed).toMatchObject({ batchId: 2, leafCount: 1 })
  expect(await prover().record(digest(1))).toMatchObject({ batch: { id: '2' } })
})

it('sealing that fails before its commit leaves the chunks and nothing else', async () => {
  await push(digests(0, 300))
  await expect(
    seal({
      faultPoint: (name) => {
        if (name === 'seal-before-commit') throw new Error('killed here')
      },
    }),
  ).rejects.toThrow('killed here')
  for (const table of ['batch', 'tile', 'arrival', 'leaf_run', 'leaf_page'])
    expect(await count(table), table).toBe(0)
  expect(await count('intake')).toBe(1)
  expect((await seal()).leafCount).toBe(300)
})

it('sealing that fails after its commit has sealed everything once', async () => {
  await push(digests(0, 300))
  await expect(
    seal({
      faultPoint: (name) => {
        if (name === 'seal-after-commit') throw new Error('killed here')
      },
    }),
  ).rejects.toThrow('killed here')
  expect(await count('intake')).toBe(0)
  expect(await count('batch')).toBe(1)
})

it('a sealer whose epoch has passed writes nothing', async () => {
  await push(digests(0, 3))
  await database.pool.query("update lease set until = now() - interval '1 second'")
  expect(await acquireLease(database.pool, 'seal', 'another', 60_000)).not.toBeNull()
  await expect(seal()).rejects.toMatchObject({ code: 'LEASE_LOST' })
  expect(await count('batch')).toBe(0)
  expect(await count('intake')).toBe(1)
})

it('every leaf is found before, between and after merges, and the runs stay few', async () => {
  for (let batch = 0; batch < 9; batch++) {
    await push(digests(batch * 600, 600))
    await seal()
    await merge(3)
  }
  const runs = await listRuns(database.pool)
  expect(runs.map(({ tier, entryCount }) => [tier, entryCount])).toEqual([
    [1, 1800],
    [1, 1800],
    [1, 1800],
  ])
  expect(await merge(3)).toMatchObject({ entries: 5400 })
  expect(await count('leaf_run')).toBe(1)
  const hashes = digests(0, 5400)
  for (let from = 0; from < hashes.length; from += 300) {
    const found = await placesOf(hashes.slice(from, from + 300))
    found.forEach((places, i) => {
      const n = from + i
      expect(places).toEqual({ batchId: Math.floor(n / 600) + 1, leafIndex: n % 600 })
    })
  }
  expect(await placesOf([digest(999_999)])).toEqual([null])
})

it('a hash pushed thousands of times is found at its earliest leaf, however many pages it fills', async () => {
  await push(digests(0, 500))
  await seal()
  const repeated = digest(7)
  for (let batch = 0; batch < 2; batch++) {
    await push(Array.from({ length: 2_000 }, () => repeated))
    await seal()
  }
  await merge(3)
  expect(await placesOf([repeated])).toEqual([{ batchId: 1, leafIndex: 7 }])
  expect(await placeFrom(repeated, 2)).toEqual({ batchId: 2, leafIndex: 0 })
  expect(await placeFrom(repeated, 3)).toEqual({ batchId: 3, leafIndex: 0 })
  expect(await placeFrom(repeated, 4)).toBeNull()
  expect(await prover().record(repeated)).toMatchObject({ batch: { id: '1', leafIndex: 7 } })
})

it('hashes whose leaves share the first eight bytes are told apart by the tile', async () => {
  await push(digests(0, 500))
  await seal()
  const stranger = digest(77_000)
  const key = leafOf(stranger).subarray(0, 8)
  // Entries that point to other records' leaves, as collisions of the key would.
  await addRun(Array.from({ length: 20 }, (_, n) => entryOf(key, 1, n)))
  expect(await placesOf([stranger])).toEqual([null])
  expect(await prover().record(stranger)).toEqual({ kind: 'unknown', unsearched: null })
  // They do not stand in the way of its own, not even in the same page.
  await push([stranger])
  await seal()
  await merge(3)
  expect(await count('leaf_run')).toBe(1)
  expect(await placesOf([stranger, digest(3)])).toEqual([
    { batchId: 2, leafIndex: 0 },
    { batchId: 1, leafIndex: 3 },
  ])
})

it('an entry is found although its key’s bytes stand earlier in the page, across two entries', async () => {
  await push(digests(0, 40))
  await seal()
  const key = leafOf(digest(33)).subarray(0, 8)
  await database.pool.query('delete from leaf_page')
  const across = Buffer.concat([Buffer.alloc(8), key])
  await addRun([across, entryOf(key, 1, 33)])
  const place = { batchId: 1, leafIndex: 33 }
  expect(await placesOf([digest(33)])).toEqual([place])
  expect(await placesOf([digest(33), digest(33)])).toEqual([place, place])
  expect(await placeFrom(digest(33), 1)).toEqual(place)
})

it('a hash whose entries begin where a page ends is found there, or on the next page', async () => {
  const repeated = digest(7)
  await push([...digests(0, 5), repeated, digest(6), digest(8)])
  await seal()
  await database.pool.query('delete from leaf_page')
  const key = leafOf(repeated).subarray(0, 8)
  const [low, high] = [Buffer.alloc(8), Buffer.alloc(8, 0xff)]
  const own = entryOf(key, 1, 5)
  const others = [6, 7].map((leafIndex) => entryOf(key, 1, leafIndex))
  for (const pages of [
    [
      [entryOf(low, 1, 0), own],
      [...others, entryOf(high, 1, 1)],
    ],
    [
      [entryOf(low, 1, 0), entryOf(key, 1, 4)],
      [own, ...others, entryOf(high, 1, 1)],
    ],
    [[entryOf(low, 1, 0)], [own, ...others]],
    [[own], others],
  ]) {
    await database.pool.query('delete from leaf_page')
    await addRun(...pages)
    const place = { batchId: 1, leafIndex: 5 }
    expect(await placesOf([repeated])).toEqual([place])
    expect(await placesOf([repeated, repeated])).toEqual([place, place])
  }
})

it('whatever was merged, a tier is older than the ones below it, and the earliest leaf of a hash is found', async () => {
  const again = digest(9_999)
  for (let batch = 1; batch <= 23; batch++) {
    await push([...digests(batch * 10, 3), ...(batch > 1 ? [again, again] : [])])
    await seal()
    // As when the fan-out is configured anew, and with merges that come late.
    if (batch % 4 === 3) while (await merge(batch < 12 ? 2 : 3));
    if (batch > 1)
      expect((await findEarliestLeaves(database.pool, recordsOf([again])))[0]!.origin.batchId).toBe(2)
  }
  const { rows } = await database.pool.query<{ from: number; to: number }>(
    `select min(batch) as "from", max(batch) as "to" from (
       select run.id, run.tier, ('x' || encode(substring(entries from at + 9 for 4), 'hex'))::bit(32)::int as batch
       from leaf_run run join leaf_page on run_id = run.id, generate_series(0, length(entries) - 1, 16) at
     ) entry group by id, tier order by tier desc, id`,
  )
  expect(rows.length).toBeGreaterThan(3)
  expect(rows[0]!.from).toBe(1)
  for (const [i, { from }] of rows.entries()) if (i > 0) expect(from).toBe(rows[i - 1]!.to + 1)

  const hashes = [again, ...Array.from({ length: 23 }, (_, i) => digest((i + 1) * 10 + 1)), digest(5), again]
  const all = await findEarliestLeaves(database.pool, recordsOf(hashes))
  expect(all.map(placeOf)).toEqual([
    { batchId: 2, leafIndex: 3 },
    ...Array.from({ length: 23 }, (_, i) => ({ batchId: i + 1, leafIndex: 1 })),
    null,
    { batchId: 2, leafIndex: 3 },
  ])
  for (const [i, hash] of hashes.entries()) {
    expect(await findEarliestLeaves(database.pool, recordsOf([hash]))).toEqual([all[i]])
  }
  for (let from = 2; from <= 23; from++) {
    expect(await placeFrom(again, from)).toEqual({ batchId: from, leafIndex: 3 })
  }
})

it('the earliest leaf is looked for no further than the oldest run that has one', async () => {
  const again = digest(77)
  await push([again, again, ...digests(0, 5)])
  await seal()
  await database.pool.query('delete from leaf_page')
  const key = leafOf(again).subarray(0, 8)
  // No merge leaves runs like these: they tell which of them is read.
  await addRun([entryOf(key, 1, 1)])
  await addRun([entryOf(key, 1, 0)])
  const [one] = await findEarliestLeaves(database.pool, recordsOf([again]))
  expect(one!.origin.leafIndex).toBe(1)
  for (const leaf of await findEarliestLeaves(database.pool, recordsOf([again, again]))) {
    expect(leaf!.origin.leafIndex).toBe(1)
  }
})

it('a tile sealed before there were group roots gives the same receipt', async () => {
  await push(digests(0, 600))
  await seal()
  const hashes = [0, 255, 256, 599].map(digest)
  const read = () => findEarliestLeaves(database.pool, recordsOf(hashes))
  const pathsOf = (found: (FoundLeaf | undefined)[]) =>
    found.map((leaf) => {
      const { leafIndex, leafCount } = leaf!.origin
      return pathFromTiles(leafIndex, leafCount, leaf!.part, (id) => hashTile(id, above[id.index]!))
    })
  const above = await readTiles(database.pool, [{ batchId: 1, level: 8, index: 0 }])
  const now = pathsOf(await read())
  expect(now.map(({ root }) => root)).toEqual(
    Array(4).fill((await database.pool.query('select root from batch')).rows[0].root),
  )
  await database.pool.query('update tile set group_roots = null')
  expect(pathsOf(await read())).toEqual(now)
})

it('the loop seals within its age, takes over a lease that ran out, and gives it back when closed', async () => {
  await database.pool.query("update lease set until = now() - interval '1 second'")
  const sealed: number[] = []
  const loop = startSealLoop({
    database,
    owner: 'loop',
    options: { maxAgeMs: 50, maxLeaves: 1000, leaseTtlMs: 5_000, mergeFanOut: 4 },
    clock: systemClock,
    logger: silentLogger,
    onSealed: ({ leafCount }) => sealed.push(leafCount),
  })
  await push(digests(0, 10))
  await until(() => sealed.length === 1, { within: 5_000, what: 'the first batch' })
  await push(digests(10, 990))
  await push(digests(1000, 20))
  expect(await loop.flush(5_000)).toBe(true)
  expect(await count('intake')).toBe(0)
  await loop.close()
  expect(await acquireLease(database.pool, 'seal', 'next', 1_000)).not.toBeNull()
})

it('a chunk from before the database’s clock was set back is sealed at once, not when that clock has caught up', async () => {
  const sealed: number[] = []
  await push(digests(0, 10), 1, Date.now() + 3_600_000)
  await database.pool.query(`update lease set until = '-infinity'`)
  const loop = startSealLoop({
    database,
    owner: 'loop',
    options: { maxAgeMs: 50, maxLeaves: 1000, leaseTtlMs: 5_000, mergeFanOut: 4 },
    clock: systemClock,
    logger: silentLogger,
    onSealed: ({ leafCount }) => sealed.push(leafCount),
  })
  await until(() => sealed.length === 1, { within: 5_000, what: 'the batch' })
  await loop.close()
})
