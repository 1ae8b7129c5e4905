import { randomBytes } from 'node:crypto'
import { figureOf, interleave, median, note } from './figure.ts'
import { type LoadResult, load, type NextRequest, requestHead } from './http-load.ts'
import { openStage, untilSealed } from './stage.ts'
import type { Figure } from './tree.ts'

/**
 * One hash a request, committed before the answer, beside an empty Fastify route with the same body and beside the
 * row-per-record service. All three listen all the time; one at a time is loaded, and what Holdfast has still to seal
 * is sealed before the next one's turn.
 */
export async function ingestSingle({ quick }: { quick: boolean }): Promise<Figure[]> {
  const stage = await openStage()
  const rounds = quick ? 3 : 5
  const seconds = quick ? 1.5 : 3
  const figures: Figure[] = []
  try {
    const { apiKey } = stage
    const daemon = await stage.startDaemon()
    const empty = await stage.startPeer('empty')
    const rows = await stage.startPeer('rows')
    // Until V8 has compiled what is hot, which takes seconds.
    for (const url of [daemon.url, empty.url, rows.url]) {
      await load({ url, connections: 64, seconds: quick ? 2 : 6, next: singles(apiKey) })
      await untilSealed(stage.pool)
    }
    for (const connections of [64, 256]) {
      note(`ingest-single: ${connections} connections, ${seconds} s each`)
      const runs = { holdfast: [] as LoadResult[], empty: [] as LoadResult[], rows: [] as LoadResult[] }
      const run = (into: LoadResult[], url: string) => async () => {
        const result = await load({ url, connections, seconds, next: singles(apiKey) })
        if (result.refused > 0) throw new Error(`${result.refused} requests were refused`)
        into.push(result)
        await untilSealed(stage.pool)
        return result.perSecond
      }
      const rates = await interleave(rounds, {
        holdfast: run(runs.holdfast, daemon.url),
        empty: run(runs.empty, empty.url),
        rows: run(runs.rows, rows.url),
      })
      const p99 = (results: LoadResult[]) => results.map((result) => result.p99Ms)
      const n = median(runs.holdfast.map((result) => result.requests))
      for (const [name, values, p99s] of [
        ['empty Fastify route, same body', rates.empty, p99(runs.empty)],
        ['row-per-record service', rates.rows, p99(runs.rows)],
      ] as const) {
        const shared = { bench: 'ingest-single', n }
        figures.push(
          figureOf({
            ...shared,
            metric: `durable requests, ${connections} connections`,
            unit: 'requests/s',
            holdfast: rates.holdfast,
            reference: { name, values },
            better: 'more',
          }),
          figureOf({
            ...shared,
            metric: `p99 latency, ${connections} connections`,
            unit: 'ms',
            holdfast: p99(runs.holdfast),
            reference: { name, values: p99s },
            better: 'less',
          }),
        )
      }
    }
    return figures
  } finally {
    await stage.close()
  }
}

const BODY = '{"hash":"0x"}'
const RING = 4_096

/** Requests with one hash each, all different; every one is a buffer that is written again much later. */
export function singles(apiKey: string, count = Number.POSITIVE_INFINITY): NextRequest {
  const head = requestHead({
    method: 'POST',
    path: '/v1/records',
    apiKey,
    contentType: 'application/json',
    bodyBytes: BODY.length + 64,
  })
  const ring = Array.from({ length: RING }, () => {
    const body = `${BODY.slice(0, -2)}${randomBytes(32).toString('hex')}"}`
    return [Buffer.concat([head, Buffer.from(body)])] as const
  })
  const digitsAt = head.length + BODY.length - 2
  return (index) => {
    if (index >= count) return null
    const request = ring[index % RING]!
    request[0].write(
      Math.floor(index / RING)
        .toString(16)
        .padStart(8, '0'),
      digitsAt,
      'latin1',
    )
    return request
  }
}
