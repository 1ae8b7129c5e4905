/**
 * A service that records every hand-over of a shipment so that nobody can change it later unnoticed: Fastify, kysely, and
 * an outbox in the transaction of the row. In: HTTP. Out: rows, and hashes to Holdfast.
 *
 *   DATABASE_URL=postgres://… HOLDFAST_API_KEY=hf_… node --import ./test/support/typescript-loader.mjs examples/shipments/main.ts
 */
import { pathToFileURL } from 'node:url'
import Fastify from 'fastify'
import { createHoldfastClient, hashRecord, type Receipt, verifyReceipt } from 'holdfast-client'
import { type Generated, Kysely, PostgresDialect, type Transaction } from 'kysely'
import pg from 'pg'
import { createTables } from './tables.ts'

type HandOver = {
  id: Generated<string>
  shipment: string
  place: string
  handed_by: string
  at: Generated<Date>
}
type Outbox = {
  id: Generated<string>
  hand_over: string
  hash: string
  record: unknown
  pushed_at: Date | null
  receipt: Receipt | null
}
type Tables = { hand_over: HandOver; outbox: Outbox }
type Row = { id: string; shipment: string; place: string; handed_by: string; at: Date }

export type ShipmentSettings = {
  databaseUrl: string
  holdfastUrl: string
  apiKey: string
  rpcUrl: string
  port?: number
  sweepEveryMs?: number
}

/** What is anchored of a hand-over, from the row as the database reads it back. */
const recordOf = (row: Row) => ({ ...row, at: row.at.toISOString() })

/** Starts the service. It answers whether Holdfast is there or not. */
export async function startShipments(settings: ShipmentSettings) {
  const { databaseUrl, holdfastUrl, apiKey, rpcUrl, port = 0, sweepEveryMs = 1000 } = settings
  const pool = new pg.Pool({ connectionString: databaseUrl })
  pool.on('error', (error) => app.log.warn(error))
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  await createTables(db)
  const holdfast = createHoldfastClient({ url: holdfastUrl, apiKey })
  const app = Fastify()

  app.post<{ Params: { shipment: string }; Body: { place: string; by: string } }>(
    '/shipments/:shipment/hand-overs',
    async ({ params, body }, reply) => {
      const row = await db.transaction().execute(async (tx) => {
        const values = { shipment: params.shipment, place: body.place, handed_by: body.by }
        return record(
          tx,
          await tx.insertInto('hand_over').values(values).returningAll().executeTakeFirstOrThrow(),
        )
      })
      return reply.code(201).send(row)
    },
  )

  app.get<{ Params: { shipment: string } }>('/shipments/:shipment', ({ params }) =>
    db
      .selectFrom('hand_over')
      .innerJoin('outbox', 'outbox.hand_over', 'hand_over.id')
      .select(['hand_over.id', 'place', 'handed_by', 'at', 'hash', 'receipt'])
      .where('shipment', '=', params.shipment)
      .orderBy('hand_over.id')
      .execute(),
  )

  app.post<{ Params: { id: string } }>('/hand-overs/:id/verify', async ({ params: { id } }, reply) => {
    const row = await db.selectFrom('hand_over').selectAll().where('id', '=', id).executeTakeFirst()
    const entry = await db.selectFrom('outbox').selectAll().where('hand_over', '=', id).executeTakeFirst()
    if (!row || !entry) return reply.code(404).send({ error: `There is no hand-over ${id}.` })
    const now: Record<string, unknown> = recordOf(row)
    const anchored = entry.record as Record<string, unknown>
    const differs = Object.keys(anchored).filter((key) => anchored[key] !== now[key])
    if (!entry.receipt) return { verdict: entry.pushed_at ? 'accepted' : 'unknown', valid: null, differs }
    const { verdict, valid, final, headline } = await verifyReceipt(entry.receipt, {
      rpc: rpcUrl,
      record: now,
    })
    return { verdict, valid, final, headline, differs, anchored, now }
  })

  /** Pushes what waits, then stores the receipts that are there. Rows keep their order; a push may be repeated. */
  async function sweep() {
    const waiting = await db
      .selectFrom('outbox')
      .selectAll()
      .where('pushed_at', 'is', null)
      .orderBy('id')
      .limit(1000)
      .execute()
    if (waiting.length > 0) {
      await holdfast.push(waiting.map(({ hash }) => hash))
      const ids = waiting.map(({ id }) => id)
      await db.updateTable('outbox').set({ pushed_at: new Date() }).where('id', 'in', ids).execute()
    }
    const pushed = db
      .selectFrom('outbox')
      .select('hash')
      .where('pushed_at', 'is not', null)
      .where('receipt', 'is', null)
    const hashes = (await pushed.limit(1000).execute()).map(({ hash }) => hash)
    for await (const answer of holdfast.receipts(hashes)) {
      if (!('format' in answer)) continue
      await db.updateTable('outbox').set({ receipt: answer }).where('hash', '=', answer.hash).execute()
    }
  }

  let stopped = false
  const sweeps = (async () => {
    while (!stopped) {
      await sweep().catch((error: Error) => app.log.warn(error))
      await new Promise((resolve) => setTimeout(resolve, sweepEveryMs))
    }
  })()
  return {
    url: await app.listen({ host: '127.0.0.1', port }),
    db,
    async close() {
      stopped = true
      await app.close()
      await sweeps
      await db.destroy()
    },
  }
}

/** Writes a row's entry in the row's own transaction: neither is there without the other. */
export async function record(tx: Transaction<Tables>, row: Row) {
  const document = recordOf(row)
  const entry = { hand_over: row.id, hash: hashRecord(document), record: JSON.stringify(document) }
  await tx
    .insertInto('outbox')
    .values({ ...entry, pushed_at: null, receipt: null })
    .execute()
  return row
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { url } = await startShipments({
    databaseUrl: process.env.DATABASE_URL ?? '',
    holdfastUrl: process.env.HOLDFAST_URL ?? 'http://127.0.0.1:8080',
    apiKey: process.env.HOLDFAST_API_KEY ?? '',
    rpcUrl: process.env.RPC_URL ?? 'http://127.0.0.1:8545',
    port: 3000,
  })
  console.log(`shipments on ${url}`)
}
