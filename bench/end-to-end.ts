import { toHex } from '../src/core/hash.ts'
import { figureOf, note } from './figure.ts'
import { hashSource } from './hashes.ts'
import { load, requestHead } from './http-load.ts'
import { singles } from './ingest-single.ts'
import { openStage, type RunningDaemon, type Stage, untilSealed, untilTrue } from './stage.ts'
import type { Figure } from './tree.ts'

const CONNECTIONS = 4

/**
 * From the first POST to `anchored` on an automining chain, the tick forced after the last acknowledgement; for
 * growing numbers of records. The reference is the row-per-record service up to its tree and stored proofs, which
 * does not even send a transaction; it is run at 10^4 (one record a request) and its time a record stands for more.
 */
export async function endToEnd({ quick }: { quick: boolean }): Promise<Figure[]> {
  const stage = await openStage()
  const figures: Figure[] = []
  try {
    const daemon = await stage.startDaemon()
    const rows = await stage.startPeer('rows')
    const sizes: [n: number, rounds: number][] = quick
      ? [
          [10_000, 3],
          [100_000, 3],
          [1_000_000, 3],
        ]
      : [
          [10_000, 5],
          [100_000, 5],
          [1_000_000, 5],
          [10_000_000, 1],
        ]
    await anchored(stage, daemon, 1_000)
    const peerRecords = quick ? 10_000 : 20_000
    const peerSeconds: number[] = []
    for (const [n, rounds] of sizes) {
      note(`end-to-end: ${n} records`)
      const seconds: number[] = []
      for (let round = 0; round < rounds; round++) {
        seconds.push(await anchored(stage, daemon, n))
        if (peerSeconds.length < (quick ? 3 : 5)) {
          const start = performance.now()
          await load({ url: rows.url, connections: 64, next: singles(stage.apiKey, peerRecords) })
          await rows.ask('tick')
          peerSeconds.push((performance.now() - start) / 1000)
        }
        note(
          `  ${seconds.at(-1)!.toFixed(3)} s (rows: ${peerSeconds.at(-1)!.toFixed(3)} s for ${peerRecords})`,
        )
      }
      figures.push(
        figureOf({
          bench: 'end-to-end',
          metric: 'first POST to anchored',
          unit: 's',
          n,
          holdfast: seconds,
          reference: {
            name: `row-per-record service to stored proofs, from its ${peerRecords}`,
            values: peerSeconds.map((each) => (each * n) / peerRecords),
          },
          better: 'less',
        }),
      )
    }
    const records = sizes.at(-1)![0]
    figures.push(
      figureOf({
        bench: 'end-to-end',
        metric: 'peak resident memory of the daemon',
        unit: 'MB',
        n: records,
        holdfast: [daemon.peakMemory() / 2 ** 20],
        reference: { name: 'limit', values: [600] },
        better: 'less',
      }),
    )
    return figures
  } finally {
    await stage.close()
  }
}

/** @returns seconds from the first byte sent until the last hash's status is anchored or further */
async function anchored(stage: Stage, daemon: RunningDaemon, n: number): Promise<number> {
  const perRequest = Math.min(n / 4, 100_000)
  const hashes = hashSource(perRequest, CONNECTIONS * 4)
  const contentType = 'application/octet-stream'
  const head = requestHead({
    method: 'POST',
    path: '/v1/records',
    apiKey: stage.apiKey,
    contentType,
    bodyBytes: perRequest * 32,
  })
  const start = performance.now()
  await load({
    url: daemon.url,
    connections: CONNECTIONS,
    next: (index) => (index * perRequest >= n ? null : [head, hashes.take(perRequest)]),
  })
  const pushed = performance.now()
  // A tick waits a few seconds at most, and anchors what is sealed by then.
  await untilSealed(stage.pool)
  await daemon.tick()
  const ticked = performance.now()
  const last = toHex(hashes.at(n - 1))
  await untilTrue(
    'the last hash to be anchored',
    async () => {
      const response = await fetch(`${daemon.url}/v1/records/${last}`)
      const { status } = (await response.json()) as { status: string }
      return status === 'anchored' || status === 'finalized'
    },
    { everyMs: 10 },
  )
  const end = performance.now()
  const parts = [pushed - start, ticked - pushed, end - ticked].map((ms) => Math.round(ms))
  note(`    pushed ${parts[0]} ms, sealed and sent ${parts[1]} ms, mined ${parts[2]} ms`)
  return (end - start) / 1000
}
