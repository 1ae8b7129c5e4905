import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createTreeBuilder } from '../../src/merkle/tree.ts'
import { mergeStep } from '../../src/seal/merge-runs.ts'
import { createPace } from '../../src/seal/pace.ts'
import { type Sealed, sealBatch } from '../../src/seal/seal-batch.ts'
import { type Connection, type Database, openDatabase } from '../../src/store/connection/database.ts'
import { acquireLease, type Lease } from '../../src/store/connection/leases.ts'
import { ENTRY_BYTES } from '../../src/store/index/leaf-index.ts'
import { listRuns } from '../../src/store/index/leaf-runs.ts'
import { appendIntake } from '../../src/store/intake/intake.ts'
import { readPending } from '../../src/store/intake/pending.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { until } from '../support/wait.ts'

/*
 * Batches that are read in several goes, and runs that are: what was read last must not lie where something is still
 * held that was read before.
 */

const CHUNK_LEAVES = 10_000
const CHUNKS = 15
/** Of the chunk that the second go begins with: more than six together are over what is read at a time. */
const SECOND_GO = 6

let server: TestDatabase
let database: Database
let lease: Lease
let reader: Connection
let writer: Connection
let release: () => void

beforeEach(async () => {
  server = await createTestDatabase()
  database = openDatabase({ url: server.url, poolSize: 6, name: 'test' })
  lease = (await acquireLease(database.pool, 'seal', 'test', 60_000))!
  const clients = [await database.pool.connect(), await database.pool.connect()] as const
  ;[reader, writer] = clients
  release = () => {
    for (const client of clients) client.release(true)
  }
})

afterEach(async () => {
  release()
  await database.close()
  await server.drop()
})

async function pushRandom(): Promise<Buffer> {
  const hashes = randomBytes(CHUNKS * CHUNK_LEAVES * 32)
  for (let chunk = 0; chunk < CHUNKS; chunk++) {
    const bytes = hashes.subarray(chunk * CHUNK_LEAVES * 32, (chunk + 1) * CHUNK_LEAVES * 32)
    await appendIntake(database.pool, [{ sourceId: 1, hashes: bytes }])
  }
  return hashes
}

/** Seals what waits; nothing is written before the second go has been read. */
async function sealHeldUp(): Promise<Sealed> {
  const chunks = (await readPending(database.pool, { limit: 1_000 })).chunks
  const { rows } = await reader.query<{ pid: number }>('select pg_backend_pid() as pid')
  const lock = await database.pool.connect()
  await lock.query('begin')
  await lock.query('lock table tile in share mode')
  const sealing = sealBatch({ reader, writer, lease, chunks })
  await until(
    async () => {
      const { rowCount } = await database.pool.query(
        `select 1 from pg_stat_activity where pid = $1 and state = 'idle' and query like $2`,
        [rows[0]!.pid, `copy %id in (${chunks[SECOND_GO]!.id},%`],
      )
      return rowCount === 1
    },
    { what: 'the second go to be read' },
  )
  await lock.query('commit')
  lock.release()
  return sealing
}

function entriesIn(pages: Buffer): string[] {
  return Array.from({ length: pages.length / ENTRY_BYTES }, (_, i) =>
    pages.toString('hex', i * ENTRY_BYTES, (i + 1) * ENTRY_BYTES),
  )
}

async function storedEntries(): Promise<string[]> {
  const { rows } = await database.pool.query<{ pages: Buffer }>(
    `select string_agg(entries, ''::bytea order by first_entry) as pages from leaf_page`,
  )
  return entriesIn(rows[0]!.pages)
}

it('a batch that is read ahead of a slow writer has the root and the tiles of what was pushed', async () => {
  const hashes = await pushRandom()
  const builder = createTreeBuilder({ onTile() {} })
  builder.push(hashes)
  const sealed = await sealHeldUp()
  expect(sealed.root.equals(builder.finish().root)).toBe(true)
  const { rows } = await database.pool.query<{ hashes: Buffer }>(
    `select string_agg(nodes, ''::bytea order by index) as hashes from tile where level = 0`,
  )
  expect(rows[0]!.hashes.equals(hashes)).toBe(true)
})

it('runs of more pages than are read at a time merge into one with all their entries, in order', async () => {
  for (let run = 0; run < 2; run++) {
    await pushRandom()
    await sealBatch({
      reader,
      writer,
      lease,
      chunks: (await readPending(database.pool, { limit: 1_000 })).chunks,
    })
  }
  const sorted = (await storedEntries()).sort()
  const pace = createPace()
  while (await mergeStep({ reader, writer, lease, fanOut: 2, pace }));
  expect(await listRuns(database.pool)).toMatchObject([{ entryCount: 2 * CHUNKS * CHUNK_LEAVES }])
  const merged = await storedEntries()
  expect(merged.findIndex((entry, i) => entry !== sorted[i])).toBe(-1)
})
