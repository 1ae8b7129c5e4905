import { setTimeout as pause } from 'node:timers/promises'
import { figureOf, note, quantile } from './figure.ts'
import { hashSource } from './hashes.ts'
import { load, requestHead } from './http-load.ts'
import { singles } from './ingest-single.ts'
import { openStage, type RunningDaemon, type Stage, untilSealed } from './stage.ts'
import type { Figure } from './tree.ts'

const BULK_CONNECTIONS = 4
const BULK_HASHES = 100_000
const SINGLES_PER_SECOND = 20
/** The bulk load is ahead by so much when the first single hash comes. */
const HEAD_START_MS = 2_000

/**
 * From the receipt of a single hash to the batch that makes it findable, beside another producer that pushes in bulk as
 * fast as it is let, and so keeps a growing backlog; and with nothing beside it. By the database's clock.
 */
export async function findable({ quick }: { quick: boolean }): Promise<Figure[]> {
  const seconds = quick ? 6 : 20
  const stage = await openStage({ walBytes: 4 * 2 ** 30 })
  try {
    const daemon = await stage.startDaemon()
    const alone = await waitsOf(stage, daemon, 'alone', seconds)
    const bulk = pushInBulk(stage, daemon, seconds + HEAD_START_MS / 1000)
    await pause(HEAD_START_MS)
    const beside = await waitsOf(stage, daemon, 'beside', seconds)
    const pushed = await bulk
    note(`  beside ${pushed} hashes in bulk: ${describe(beside)}; alone: ${describe(alone)}`)
    await untilSealed(stage.pool, 1_800_000)
    const figure = (metric: string, waits: number[], share: number, limit: number) =>
      figureOf({
        bench: 'findable',
        metric,
        unit: 's',
        n: waits.length,
        holdfast: [quantile(waits, share)],
        reference: { name: 'limit', values: [limit] },
        better: 'less',
      })
    return [
      figure('a single hash to findable, beside a bulk load, p99', beside, 0.99, 3),
      figure('a single hash to findable, beside a bulk load, p50', beside, 0.5, 3),
      figure('a single hash to findable, alone, p99', alone, 0.99, 2),
    ]
  } finally {
    await stage.close()
  }
}

function describe(waits: number[]): string {
  const [p50, p99, most] = [0.5, 0.99, 1].map((share) => quantile(waits, share).toFixed(2))
  return `p50 ${p50} s, p99 ${p99} s, at most ${most} s`
}

/** Seconds from receipt to the batch, of each hash that a source of its own pushes. */
async function waitsOf(
  stage: Stage,
  daemon: RunningDaemon,
  name: string,
  seconds: number,
): Promise<number[]> {
  const { apiKey, sourceId } = await stage.addSource(name)
  const next = singles(apiKey)
  const count = seconds * SINGLES_PER_SECOND
  await load({
    url: daemon.url,
    connections: 16,
    ratePerSecond: SINGLES_PER_SECOND,
    next: (index) => (index < count ? next(index) : null),
  })
  const read = async () => {
    const { rows } = await stage.pool.query<{ seconds: number }>(
      `select extract(epoch from b.sealed_at - a.received_at)::float8 as seconds
       from arrival a join batch b on b.id = a.batch_id where a.source_id = $1`,
      [sourceId],
    )
    return rows.map((row) => row.seconds)
  }
  // Neighbours that came in one commit are one row.
  for (;;) {
    const { rowCount } = await stage.pool.query('select 1 from intake where source_id = $1 limit 1', [
      sourceId,
    ])
    if (rowCount === 0) return read()
    await pause(100)
  }
}

/** @returns how many hashes were pushed */
async function pushInBulk(stage: Stage, daemon: RunningDaemon, seconds: number): Promise<number> {
  const hashes = hashSource(BULK_HASHES, BULK_CONNECTIONS * 4)
  const head = requestHead({
    method: 'POST',
    path: '/v1/records',
    apiKey: stage.apiKey,
    contentType: 'application/octet-stream',
    bodyBytes: BULK_HASHES * 32,
  })
  const { requests } = await load({
    url: daemon.url,
    connections: BULK_CONNECTIONS,
    seconds,
    next: () => [head, hashes.take(BULK_HASHES)],
  })
  return requests * BULK_HASHES
}
