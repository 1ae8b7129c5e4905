import { figureOf, note } from './figure.ts'
import { type FilledStore, mb, preload, untilMerged } from './filled-store.ts'
import { hashSource } from './hashes.ts'
import { load } from './http-load.ts'
import { copyRows } from './ingest-bulk.ts'
import { singles } from './ingest-single.ts'
import { openStage, untilSealed } from './stage.ts'
import type { Figure } from './tree.ts'

/**
 * From intake to sealed and findable: a daemon started over a full intake log, beside raw COPY of as many 32-byte
 * rows (no tree, no index) and beside the tick of the row-per-record service. Then what sealing costs those who push.
 */
export async function seal({ quick, store }: { quick: boolean; store: FilledStore }): Promise<Figure[]> {
  const { n, sealing, stage } = store
  await stage.pool.query('create table raw_row (hash bytea not null)')
  const copies: number[] = []
  for (let round = 0; round < (quick ? 3 : 5); round++) copies.push(await copyRows(stage.pool, 1_000_000))
  const peer = await peerTick(quick)
  const sustained = n / sealing.seconds
  const rates = sealing.tenthRates
  const shared = { bench: 'seal', n }
  const figures = [
    figureOf({
      ...shared,
      metric: 'intake to sealed and findable, sustained',
      unit: 'records/s',
      holdfast: [sustained],
      reference: { name: 'raw COPY of 32-byte rows, no index, no tree', values: copies },
      better: 'more',
    }),
    figureOf({
      ...shared,
      metric: 'intake to sealed and findable, sustained',
      unit: 'records/s',
      holdfast: [sustained],
      reference: { name: `tick of the row-per-record service, ${peer.n} rows`, values: [peer.rate] },
      better: 'more',
    }),
    figureOf({
      ...shared,
      metric: 'the last tenth',
      unit: 'records/s',
      holdfast: [rates.at(-1)!],
      reference: { name: 'the faster of the first two', values: [Math.max(...rates.slice(0, 2))] },
      better: 'more',
    }),
    figureOf({
      ...shared,
      metric: 'memory that sealing adds to an idle daemon',
      unit: 'MB',
      holdfast: [sealing.addedMemory / 2 ** 20],
      reference: { name: 'limit', values: [150] },
      better: 'less',
    }),
  ]
  note(`  peak of the daemon ${mb(sealing.peakMemory)}`)
  return [...figures, await latencyBesideSealing(quick)]
}

async function peerTick(quick: boolean): Promise<{ n: number; rate: number }> {
  const n = quick ? 5_000 : 50_000
  const stage = await openStage()
  try {
    const rows = await stage.startPeer('rows')
    await load({ url: rows.url, connections: 64, next: singles(stage.apiKey, n) })
    const start = performance.now()
    await rows.ask('tick')
    return { n, rate: n / ((performance.now() - start) / 1000) }
  } finally {
    await stage.close()
  }
}

/** Single requests on a schedule that leaves room, with nothing else to do and while millions are being sealed. */
async function latencyBesideSealing(quick: boolean): Promise<Figure> {
  const backlog = quick ? 2_000_000 : 6_000_000
  const ratePerSecond = 1_000
  const seconds = quick ? 2 : 3
  const stage = await openStage({ walBytes: 7 * 2 ** 30 })
  try {
    const daemon = await stage.startDaemon()
    const run = async () => {
      const next = singles(stage.apiKey)
      return (await load({ url: daemon.url, connections: 64, next, seconds, ratePerSecond })).p99Ms
    }
    await run()
    const without: number[] = []
    const during: number[] = []
    for (let round = 0; round < (quick ? 3 : 5); round++) {
      without.push(await run())
      await preload(stage, hashSource(10_000, 16), backlog)
      during.push(await run())
      const { rowCount } = await stage.pool.query('select 1 from intake where leaf_count > 1000 limit 1')
      if (rowCount === 0) note('  sealing was over before the load was')
      await untilSealed(stage.pool)
      await untilMerged(stage)
      note(`  p99 ${without.at(-1)!.toFixed(1)} ms, beside sealing ${during.at(-1)!.toFixed(1)} ms`)
    }
    return figureOf({
      bench: 'seal',
      metric: `p99 of single requests at ${ratePerSecond}/s while ${backlog} records are sealed`,
      unit: 'ms',
      n: ratePerSecond * seconds,
      holdfast: during,
      reference: { name: 'the same without sealing', values: without },
      better: 'less',
    })
  } finally {
    await stage.close()
  }
}
