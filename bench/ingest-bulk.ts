import { randomBytes } from 'node:crypto'
import { HASH_BYTES } from '../src/core/hash.ts'
import { openCopy } from '../src/store/connection/copy.ts'
import type { Pool } from '../src/store/connection/database.ts'
import { figureOf, interleave, note } from './figure.ts'
import { hashSource } from './hashes.ts'
import { load, requestHead } from './http-load.ts'
import { openStage, untilSealed } from './stage.ts'
import type { Figure } from './tree.ts'

const CONNECTIONS = 4
/** Some 1.2 GB a round, for whoever writes them. */
const WAL_BYTES = 13 * 2 ** 30

/**
 * Octets over HTTP, committed before the answer, beside what PostgreSQL itself takes of the same bytes without HTTP:
 * chunk rows, COPY of 32-byte rows, and `unnest … on conflict` rows. Sealing goes on beside the pushes, as it does in
 * the product; the clock stops at the last acknowledgement.
 */
export async function ingestBulk({ quick }: { quick: boolean }): Promise<Figure[]> {
  const stage = await openStage({ walBytes: quick ? 2 ** 31 : WAL_BYTES })
  const rounds = quick ? 3 : 5
  const rowsOnConflict = quick ? 50_000 : 200_000
  const figures: Figure[] = []
  try {
    const { pool, apiKey } = stage
    const daemon = await stage.startDaemon()
    await pool.query(
      'create table raw_chunk (id bigint generated always as identity primary key, hashes bytea not null)',
    )
    await pool.query('alter table raw_chunk alter column hashes set storage external')
    await pool.query('create table raw_row (hash bytea not null)')
    await pool.query('create table raw_unique (hash bytea primary key)')

    for (const perRequest of [10_000, 100_000]) {
      const n = quick ? 1_000_000 : 4_000_000
      note(`ingest-bulk: ${n} hashes, ${perRequest} a request, ${CONNECTIONS} connections`)
      const results = await interleave(rounds, {
        holdfast: async () => {
          const rate = await pushOctets({ url: daemon.url, apiKey, n, perRequest, connections: CONNECTIONS })
          await untilSealed(pool)
          return rate
        },
        chunks: () => chunkInserts(pool, n),
        copy: () => copyRows(pool, Math.min(n, 1_000_000)),
        rows: () => rowsByUnnest(pool, rowsOnConflict),
      })
      const metric = `durable hashes over HTTP, octets, ${perRequest} a request`
      const against = (name: string, values: number[]) =>
        figureOf({
          bench: 'ingest-bulk',
          metric,
          unit: 'hashes/s',
          n,
          holdfast: results.holdfast,
          reference: { name, values },
          better: 'more',
        })
      figures.push(against('raw chunk INSERT, no HTTP', results.chunks))
      figures.push(against('raw COPY of 32-byte rows, no index, no HTTP', results.copy))
      figures.push(against('unnest … on conflict rows, no HTTP', results.rows))
    }
    return figures
  } finally {
    await stage.close()
  }
}

/** @returns hashes acknowledged a second */
export async function pushOctets(options: {
  url: string
  apiKey: string
  n: number
  perRequest: number
  connections: number
}): Promise<number> {
  const { url, apiKey, n, perRequest, connections } = options
  const hashes = hashSource(perRequest, connections * 4)
  const head = requestHead({
    method: 'POST',
    path: '/v1/records',
    apiKey,
    contentType: 'application/octet-stream',
    bodyBytes: perRequest * HASH_BYTES,
  })
  const result = await load({
    url,
    connections,
    next: (index) => (index * perRequest >= n ? null : [head, hashes.take(perRequest)]),
  })
  if (result.refused > 0) throw new Error(`${result.refused} requests were refused`)
  return n / result.seconds
}

async function timed(n: number, run: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await run()
  return n / ((performance.now() - start) / 1000)
}

async function chunkInserts(pool: Pool, n: number): Promise<number> {
  const perRow = 10_000
  const chunk = randomBytes(perRow * HASH_BYTES)
  await pool.query('truncate raw_chunk')
  let left = Math.ceil(n / perRow)
  const worker = async () => {
    while (left-- > 0) {
      await pool.query({
        name: 'raw-chunk',
        text: 'insert into raw_chunk (hashes) values ($1)',
        values: [chunk],
      })
    }
  }
  return timed(n, async () => void (await Promise.all(Array.from({ length: 4 }, worker))))
}

export async function copyRows(pool: Pool, n: number): Promise<number> {
  const hashes = randomBytes(10_000 * HASH_BYTES)
  await pool.query('truncate raw_row')
  const client = await pool.connect()
  try {
    return await timed(n, async () => {
      await client.query('begin')
      const copy = openCopy(client, 'raw_row', ['hash'])
      for (let row = 0; row < n; row++) {
        const at = (row % 10_000) * HASH_BYTES
        copy.row([{ bytea: hashes.subarray(at, at + HASH_BYTES) }])
        if (row % 5_000 === 0) await copy.ready()
      }
      await copy.end()
      await client.query('commit')
    })
  } finally {
    client.release()
  }
}

/** Four connections, 10,000 rows a statement, each its own commit. */
async function rowsByUnnest(pool: Pool, n: number): Promise<number> {
  const perStatement = 10_000
  const statements = Array.from({ length: n / perStatement }, () =>
    Array.from({ length: perStatement }, () => randomBytes(HASH_BYTES)),
  )
  return timed(n, async () => {
    const worker = async () => {
      for (let rows = statements.pop(); rows; rows = statements.pop()) {
        await pool.query({
          name: 'raw-unnest',
          text: 'insert into raw_unique (hash) select unnest($1::bytea[]) on conflict do nothing',
          values: [rows],
        })
      }
    }
    await Promise.all(Array.from({ length: 4 }, worker))
  })
}
