import { setTimeout as pause } from 'node:timers/promises'
import { figureOf, note } from './figure.ts'
import { type FilledStore, idleBytes, untilMerged } from './filled-store.ts'
import { load } from './http-load.ts'
import { singles } from './ingest-single.ts'
import { databaseBytes, tableSizes } from './size-watch.ts'
import { openStage, untilSealed } from './stage.ts'
import type { Figure } from './tree.ts'

/** Bytes of the database a record, everything included, beside a row and a unique index of the row-per-record service. */
export async function space({ quick, store }: { quick: boolean; store: FilledStore }): Promise<Figure[]> {
  const idle = (store.bytesIdle - store.bytesBefore) / store.n
  const peak = (store.bytesPeak - store.bytesBefore) / store.n
  const single = await slowPushes(quick)
  return [
    figureOf({
      bench: 'space',
      metric: 'bytes a record in PostgreSQL, pushed in bulk before sealing, once idle',
      unit: 'bytes',
      n: store.n,
      holdfast: [idle],
      reference: { name: 'limit', values: [70] },
      better: 'less',
    }),
    figureOf({
      bench: 'space',
      metric: 'the same at its largest',
      unit: 'bytes',
      n: store.n,
      holdfast: [peak],
      reference: { name: 'limit', values: [90] },
      better: 'less',
    }),
    figureOf({
      bench: 'space',
      metric: 'bytes a record in PostgreSQL, single pushes, 10 a second',
      unit: 'bytes',
      n: single.n,
      holdfast: [single.bytes],
      reference: { name: 'limit', values: [400] },
      better: 'less',
    }),
    figureOf({
      bench: 'space',
      metric: 'bytes a record in PostgreSQL, single pushes, 10 a second',
      unit: 'bytes',
      n: single.n,
      holdfast: [single.bytes],
      reference: { name: 'row-per-record service with its stored proofs', values: [single.rowBytes] },
      better: 'less',
    }),
  ]
}

/**
 * Ten single pushes to a batch, each its own commit, and a tick after 600 batches: what 10 a second and a tick every
 * ten minutes make, but twenty times as fast (a batch every 50 ms instead of every second).
 */
async function slowPushes(quick: boolean): Promise<{ n: number; bytes: number; rowBytes: number }> {
  const batches = quick ? 300 : 3_000
  const n = batches * 10
  const stage = await openStage()
  try {
    const before = await databaseBytes(stage.pool)
    const daemon = await stage.startDaemon({ seal: { maxAgeMs: 50 } })
    const next = singles(stage.apiKey)
    let sent = 0
    for (let done = 0; done < batches; done += 600) {
      const until = Math.min(n, (done + 600) * 10)
      const some = { url: daemon.url, connections: 16, ratePerSecond: 200 }
      await load({ ...some, next: () => (sent === until ? null : next(sent++)) })
      await untilSealed(stage.pool)
      await daemon.tick()
      await pause(1_000)
    }
    await untilMerged(stage)
    const { rows } = await stage.pool.query('select count(*)::int as batches from batch')
    note(`  ${n} records in ${rows[0].batches} batches`)
    const bytes = ((await idleBytes(stage.pool)) - before) / n
    note(`  ${await tableSizes(stage.pool)}`)
    const peer = await stage.startPeer('rows')
    await load({ url: peer.url, connections: 16, next: singles(stage.apiKey, n) })
    await peer.ask('tick')
    await stage.pool.query('vacuum')
    const size = await stage.pool.query("select pg_total_relation_size('peer_record')::float8 as bytes")
    return { n, bytes, rowBytes: size.rows[0].bytes / n }
  } finally {
    await stage.close()
  }
}
