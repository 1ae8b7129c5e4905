import { createHash, randomBytes } from 'node:crypto'
import { openDatabase } from '../src/store/connection/database.ts'
import { figureOf, interleave, note, quantile } from './figure.ts'
import type { FilledStore } from './filled-store.ts'
import { load, requestHead } from './http-load.ts'
import type { Figure } from './tree.ts'

/** Keeps two cores busy throughout; one at a time leaves them room, as most auditors do. */
const AT_ONCE = 4

/**
 * Whole HTTP calls for receipts of records picked at random from the store, and for hashes that are not in it, beside
 * a bare primary-key SELECT of a row picked at random, through a pool like the daemon's: a few at once, and one at a time.
 */
export async function receipt({ quick, store }: { quick: boolean; store: FilledStore }): Promise<Figure[]> {
  const { stage, daemon, hashes, n } = store
  const rounds = quick ? 3 : 5
  // All for as long: what the machine does every half second is then in everybody's 99th percentile, or in nobody's.
  const seconds = quick ? 0.5 : 2
  const rows = n / 10
  await stage.pool.query(
    'create table raw_keyed (hash bytea primary key, at timestamptz not null default now())',
  )
  await stage.pool.query(
    'insert into raw_keyed (hash) select sha256(i::text::bytea) from generate_series(1, $1) i',
    [rows],
  )
  await stage.pool.query('vacuum analyze raw_keyed')
  const reads = openDatabase({ url: stage.databaseUrl, poolSize: 10, name: 'bench-read' })
  try {
    const call = (hash: () => Buffer) => (atOnce: number) =>
      load({
        url: daemon.url,
        connections: atOnce,
        seconds,
        next: () => [requestHead({ method: 'GET', path: `/v1/records/0x${hash().toString('hex')}/receipt` })],
      })
    const known = call(() => hashes.at(Math.floor(Math.random() * n)))
    const unknown = call(() => randomBytes(32))
    const select = async (atOnce: number) => {
      const latencies: number[] = []
      const endAt = performance.now() + seconds * 1000
      const worker = async () => {
        while (performance.now() < endAt) {
          const key = keyOf(1 + Math.floor(Math.random() * rows))
          const start = performance.now()
          const found = await reads.pool.query({
            name: 'bare-select',
            text: 'select at from raw_keyed where hash = $1',
            values: [key],
          })
          latencies.push(performance.now() - start)
          if (found.rows.length !== 1) throw new Error('a row is missing')
        }
      }
      await Promise.all(Array.from({ length: atOnce }, worker))
      return quantile(latencies, 0.99)
    }
    const perSecond: number[] = []
    const p50: number[] = []
    await known(AT_ONCE)
    await unknown(AT_ONCE)
    await select(AT_ONCE)
    note(`receipt: ${seconds} s a round, ${AT_ONCE} at once and one at a time, ${n} records in the store`)
    const results = await interleave(rounds, {
      known: async () => {
        const result = await known(AT_ONCE)
        perSecond.push(result.perSecond)
        p50.push(result.p50Ms)
        return result.p99Ms
      },
      unknown: async () => (await unknown(AT_ONCE)).p99Ms,
      select: () => select(AT_ONCE),
      knownAlone: async () => (await known(1)).p99Ms,
      selectAlone: () => select(1),
    })
    note(`  ${Math.round(perSecond.at(-1)!)} receipts/s, p50 ${p50.at(-1)!.toFixed(2)} ms`)
    const figure = (metric: string, name: string, holdfast: number[], values: number[]) =>
      figureOf({
        bench: 'receipt',
        metric,
        unit: 'ms',
        n,
        holdfast,
        reference: { name, values },
        better: 'less',
      })
    return [
      figure(
        `p99 of a receipt over HTTP, ${AT_ONCE} at once`,
        `p99 of a bare primary-key SELECT, ${AT_ONCE} at once`,
        results.known,
        results.select,
      ),
      figure(
        'p99 of a receipt over HTTP, one at a time',
        'p99 of a bare primary-key SELECT, one at a time',
        results.knownAlone,
        results.selectAlone,
      ),
      figure(
        `p99 of an unknown hash over HTTP, ${AT_ONCE} at once`,
        `p99 of a receipt over HTTP, ${AT_ONCE} at once`,
        results.unknown,
        results.known,
      ),
    ]
  } finally {
    await reads.close()
  }
}

/** The key of a row of `raw_keyed`, counted from one. */
function keyOf(row: number): Buffer {
  return createHash('sha256').update(String(row)).digest()
}
