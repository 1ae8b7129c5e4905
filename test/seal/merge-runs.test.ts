import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { mergeStep } from '../../src/seal/merge-runs.ts'
import { createPace } from '../../src/seal/pace.ts'
import { type Connection, type Database, openDatabase } from '../../src/store/connection/database.ts'
import { acquireLease, type Lease } from '../../src/store/connection/leases.ts'
import { ENTRY_BYTES, PAGE_ENTRIES } from '../../src/store/index/leaf-index.ts'
import { addToRun, createRun, listRuns, openPages } from '../../src/store/index/leaf-runs.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let server: TestDatabase
let database: Database
let lease: Lease
const pace = createPace()

beforeAll(async () => {
  server = await createTestDatabase()
  database = openDatabase({ url: server.url, poolSize: 4, name: 'test' })
  lease = (await acquireLease(database.pool, 'seal', 'test', 600_000))!
})
afterAll(async () => {
  await database.close()
  await server.drop()
})

/** Two connections; thrown away, and with them an open transaction, when the work fails. */
async function onClients<T>(work: (reader: Connection, writer: Connection) => Promise<T>): Promise<T> {
  const clients = [await database.pool.connect(), await database.pool.connect()] as const
  let failed = true
  try {
    const result = await work(...clients)
    failed = false
    return result
  } finally {
    for (const client of clients) client.release(failed)
  }
}

/** Writes a run as sealing does: of one batch, sorted by key, equal keys in leaf order. */
async function writeRun(batchId: number, keys: number[]): Promise<void> {
  const entries = keys.map((key, leaf) => {
    const entry = Buffer.alloc(ENTRY_BYTES)
    entry.writeUInt32BE(key, 4)
    entry.writeUInt32BE(batchId, 8)
    entry.writeUInt32BE(leaf, 12)
    return entry
  })
  await onClients(async (_, writer) => {
    await writer.query('begin')
    const id = await createRun(writer, 0)
    const pages = openPages(writer, id)
    await pages.append(Buffer.concat(entries.sort(Buffer.compare)))
    await addToRun(writer, id, await pages.finish())
    await writer.query('commit')
  })
}

/** Every entry as hex, run by run in the order in which look-ups go through them. */
async function entriesByRun(): Promise<string[][]> {
  const { rows } = await database.pool.query<{ id: number; entries: Buffer }>(
    `select run.id, page.entries from leaf_run run join leaf_page page on run_id = run.id
     order by run.tier desc, run.id, first_entry`,
  )
  const runs = new Map<number, string[]>()
  for (const { id, entries } of rows) {
    const list = runs.get(id) ?? []
    for (let at = 0; at < entries.length; at += ENTRY_BYTES) {
      list.push(entries.toString('hex', at, at + ENTRY_BYTES))
    }
    runs.set(id, list)
  }
  return [...runs.values()]
}

/** What look-ups rest on, between any two steps. */
async function expectSound(all: string[]): Promise<void> {
  const runs = await entriesByRun()
  expect(runs.flat().sort()).toEqual(all)
  const last = new Map<string, string>()
  for (const run of runs) {
    expect(run).toEqual(run.toSorted())
    for (const entry of run) {
      const key = entry.slice(0, 16)
      const before = last.get(key)
      if (before !== undefined) expect(before < entry).toBe(true)
      last.set(key, entry)
    }
  }
  for (const run of await listRuns(database.pool)) {
    const { rows } = await database.pool.query(
      `select count(*)::int as pages, coalesce(sum(length(entries)) / 16, 0)::int as entries,
         count(*) filter (where substring(entries from 1 for 16) <> first_entry)::int as wrong
       from leaf_page where run_id = $1`,
      [run.id],
    )
    expect(rows[0]).toEqual({ pages: run.pageCount, entries: run.entryCount, wrong: 0 })
  }
}

const scenario = fc.record({
  runs: fc.array(
    fc.record({
      leaves: fc.integer({ min: 1, max: 900 }),
      /** Few keys make entries of one key fill pages. */
      keys: fc.constantFrom(1, 3, 500, 4_000_000_000),
    }),
    { minLength: 2, maxLength: 9 },
  ),
  fanOut: fc.integer({ min: 2, max: 4 }),
  stepPages: fc.integer({ min: 1, max: 12 }),
  /** Steps that fail before their commit. */
  failing: fc.subarray([0, 1, 3, 4, 7]),
  seed: fc.integer(),
})

it('a merge in steps loses and doubles nothing, and keeps every key’s entries in order, whenever it is cut off', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ runs, fanOut, stepPages, failing, seed }) => {
      await database.pool.query('truncate leaf_run, leaf_page')
      let state = seed
      const random = () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
        return state
      }
      let steps = 0
      const step = () => {
        const fails = failing.includes(steps++)
        return onClients((reader, writer) =>
          mergeStep({
            reader,
            writer,
            lease,
            fanOut,
            stepPages,
            pace,
            faultPoint() {
              if (fails) throw new Error('cut off')
            },
          }),
        ).catch((error: Error) => {
          if (error.message !== 'cut off') throw error
          return 'cut off' as const
        })
      }
      let all: string[] = []
      for (const [i, { leaves, keys }] of runs.entries()) {
        await writeRun(
          i + 1,
          Array.from({ length: leaves }, () => random() % keys),
        )
        all = (await entriesByRun()).flat().sort()
        // New runs come while merges are under way.
        await step()
        await expectSound(all)
      }
      for (let more = await step(); more !== null; more = await step()) await expectSound(all)
      await expectSound(all)
      expect((await listRuns(database.pool)).every(({ mergingInto }) => mergingInto === null)).toBe(true)
    }),
    { numRuns: 25 },
  )
})

it('a small merge is not kept waiting by a large one, and pages are full but for each step’s last', async () => {
  await database.pool.query('truncate leaf_run, leaf_page')
  const spread = (count: number) => Array.from({ length: count }, (_, i) => (i * 2_654_435_761) % 2 ** 32)
  for (let batch = 1; batch <= 4; batch++) await writeRun(batch, spread(20_000))
  const step = () =>
    onClients((reader, writer) => mergeStep({ reader, writer, lease, fanOut: 2, stepPages: 32, pace }))
  // Tier 0 first, which makes two runs of tier 1; then one step of the merge into tier 2.
  while ((await listRuns(database.pool)).some(({ tier }) => tier === 0)) await step()
  await step()
  const underWay = (await listRuns(database.pool)).filter(({ mergingInto }) => mergingInto !== null)
  expect(underWay.map(({ tier }) => tier)).toEqual([1, 1])
  await writeRun(5, spread(100))
  await writeRun(6, spread(100))
  expect(await step()).toMatchObject({ entries: 200 })
  while (await step());
  const runs = await listRuns(database.pool)
  expect(runs.map(({ tier, entryCount }) => [tier, entryCount])).toEqual([
    [1, 200],
    [2, 80_000],
  ])
  expect(runs[1]!.pageCount).toBeLessThan((80_000 / PAGE_ENTRIES) * 1.1)
})
