import { createHash } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { mergeStep } from '../../src/seal/merge-runs.ts'
import { createPace } from '../../src/seal/pace.ts'
import { sealBatch } from '../../src/seal/seal-batch.ts'
import { type Connection, type Database, openDatabase } from '../../src/store/connection/database.ts'
import { acquireLease } from '../../src/store/connection/leases.ts'
import { listRuns } from '../../src/store/index/leaf-runs.ts'
import { appendIntake } from '../../src/store/intake/intake.ts'
import { readPending } from '../../src/store/intake/pending.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let server: TestDatabase
let database: Database
beforeEach(async () => {
  server = await createTestDatabase()
  database = openDatabase({ url: server.url, poolSize: 6, name: 'test' })
})
afterEach(async () => {
  await database.close()
  await server.drop()
})

/** Two connections that are thrown away afterwards, and with them whatever transaction is still open. */
async function onClients<T>(work: (reader: Connection, writer: Connection) => Promise<T>): Promise<T> {
  const [reader, writer] = [await database.pool.connect(), await database.pool.connect()]
  try {
    return await work(reader, writer)
  } finally {
    reader.release(true)
    writer.release(true)
  }
}

it('a merge of the leaf index whose epoch has passed changes nothing', async () => {
  const lease = (await acquireLease(database.pool, 'seal', 'first', 60_000))!
  for (const n of [1, 2]) {
    const hashes = createHash('sha256').update(`record ${n}`).digest()
    await appendIntake(database.pool, [{ sourceId: 1, hashes }])
    const chunks = (await readPending(database.pool, { limit: 10 })).chunks
    await onClients((reader, writer) => sealBatch({ reader, writer, lease, chunks }))
  }
  const runs = await listRuns(database.pool)
  await database.pool.query(`update lease set until = now() - interval '1 second'`)
  expect(await acquireLease(database.pool, 'seal', 'second', 60_000)).not.toBeNull()
  await expect(
    onClients((reader, writer) => mergeStep({ reader, writer, lease, fanOut: 2, pace: createPace() })),
  ).rejects.toMatchObject({ code: 'LEASE_LOST' })
  expect(await listRuns(database.pool)).toEqual(runs)
})

it('while a transaction under a lease is open, nobody takes the lease over', async () => {
  const lease = (await acquireLease(database.pool, 'seal', 'first', 60_000))!
  const hashes = createHash('sha256').update('record').digest()
  await appendIntake(database.pool, [{ sourceId: 1, hashes }])
  const chunks = (await readPending(database.pool, { limit: 10 })).chunks
  await database.pool.query(`update lease set until = now() - interval '1 second'`)
  let takeover: Promise<unknown> | undefined
  let batchesAtTakeover = 0
  await onClients((reader, writer) =>
    sealBatch({
      reader,
      writer,
      lease,
      chunks,
      faultPoint: (name) => {
        if (name !== 'seal-before-commit') return
        takeover = acquireLease(database.pool, 'seal', 'second', 60_000).then(async (taken) => {
          const { rowCount } = await database.pool.query('select 1 from batch')
          batchesAtTakeover = rowCount ?? 0
          return taken
        })
      },
    }),
  )
  expect(await takeover).toMatchObject({ epoch: lease.epoch + 1 })
  expect(batchesAtTakeover).toBe(1)
})
