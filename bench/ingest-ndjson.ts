import { figureOf, interleave, note } from './figure.ts'
import { hashSource } from './hashes.ts'
import { load, requestHead } from './http-load.ts'
import { pushOctets } from './ingest-bulk.ts'
import { openStage, untilSealed } from './stage.ts'
import type { Figure } from './tree.ts'

const LINES = 100_000
const CONNECTIONS = 2

/** Lines of NDJSON, both plain forms, committed before the answer; beside the same hashes as octets. */
export async function ingestNdjson({ quick }: { quick: boolean }): Promise<Figure[]> {
  const stage = await openStage()
  const rounds = quick ? 3 : 5
  const n = quick ? 400_000 : 2_000_000
  const figures: Figure[] = []
  try {
    const { pool, apiKey } = stage
    const daemon = await stage.startDaemon()
    for (const [form, before, after] of [
      ['"hex" lines', '"', '"\n'],
      ['{"hash":"hex"} lines', '{"hash":"', '"}\n'],
    ] as const) {
      note(`ingest-ndjson: ${n} ${form}, ${LINES} a request, ${CONNECTIONS} connections`)
      const results = await interleave(rounds, {
        holdfast: async () => {
          const bodies = Array.from({ length: n / LINES }, () => lines(before, after))
          const rate = await pushLines(daemon.url, apiKey, bodies)
          await untilSealed(pool)
          return rate
        },
        octets: async () => {
          const rate = await pushOctets({
            url: daemon.url,
            apiKey,
            n,
            perRequest: LINES,
            connections: CONNECTIONS,
          })
          await untilSealed(pool)
          return rate
        },
      })
      figures.push(
        figureOf({
          bench: 'ingest-ndjson',
          metric: `durable ${form} over HTTP`,
          unit: 'hashes/s',
          n,
          holdfast: results.holdfast,
          reference: { name: 'the same hashes as octets', values: results.octets },
          better: 'more',
        }),
      )
    }
    return figures
  } finally {
    await stage.close()
  }
}

function lines(before: string, after: string): Buffer {
  const digits = hashSource(LINES, 1).take(LINES).toString('hex')
  const parts: string[] = []
  for (let at = 0; at < digits.length; at += 64) parts.push(before, digits.slice(at, at + 64), after)
  return Buffer.from(parts.join(''))
}

async function pushLines(url: string, apiKey: string, bodies: readonly Buffer[]): Promise<number> {
  const result = await load({
    url,
    connections: CONNECTIONS,
    next: (index) => {
      const body = bodies[index]
      if (body === undefined) return null
      const contentType = 'application/x-ndjson'
      return [
        requestHead({ method: 'POST', path: '/v1/records', apiKey, contentType, bodyBytes: body.length }),
        body,
      ]
    },
  })
  if (result.refused > 0) throw new Error(`${result.refused} requests were refused`)
  return (bodies.length * LINES) / result.seconds
}
