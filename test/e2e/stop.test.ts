import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../support/wait.ts'
import { createServed, type Served } from './served.ts'

/** Hashes a request; a few requests are a full batch. */
const PER_REQUEST = 100_000

let served: Served
let watch: pg.Client
beforeAll(async () => {
  served = await createServed()
  watch = new pg.Client(served.database.url)
  await watch.connect()
})
afterAll(async () => {
  await watch.end()
  await served.close()
})

async function scalar<T>(text: string): Promise<T> {
  const { rows } = await watch.query<{ value: T }>(`select ${text} as value`)
  return rows[0]!.value
}

/** Pushes until it is refused. @returns how many hashes were acknowledged */
async function pushOn(url: string): Promise<number> {
  let acknowledged = 0
  try {
    for (;;) {
      const response = await fetch(`${url}/v1/records`, {
        method: 'POST',
        headers: { authorization: `Bearer ${served.apiKey}`, 'content-type': 'application/octet-stream' },
        body: randomBytes(PER_REQUEST * 32),
      })
      if (response.status !== 202) return acknowledged
      acknowledged += PER_REQUEST
    }
  } catch {
    return acknowledged
  }
}

/** A stream that a client never ends. */
function openStream(url: string): void {
  const stream = request(`${url}/v1/records`, {
    method: 'POST',
    headers: { authorization: `Bearer ${served.apiKey}`, 'content-type': 'application/x-ndjson' },
  })
  // The daemon cuts it off, as it must.
  stream.on('error', () => undefined)
  stream.on('response', (response) => response.resume())
  stream.write(`"${randomBytes(32).toString('hex')}"\n`)
}

it('a daemon told to stop under bulk load ends in time, cuts off no batch, and keeps what it acknowledged', {
  timeout: 120_000,
}, async () => {
  const { run, url } = await served.start()
  const pushing = [1, 2].map(() => pushOn(url))
  openStream(url)
  await until(() => scalar<boolean>('(select count(*) >= 3 from batch)'), {
    within: 60_000,
    what: 'three batches',
  })
  const stoppedAt = performance.now()
  run.kill('SIGTERM')
  const { code } = await run.exit(30_000)
  expect(performance.now() - stoppedAt).toBeLessThan(25_000)
  expect(code).toBe(0)
  const acknowledged = (await Promise.all(pushing)).reduce((a, b) => a + b)
  expect(acknowledged).toBeGreaterThan(0)
  const stored = await scalar<number>(
    '(select coalesce(sum(leaf_count), 0) from batch)::int + (select coalesce(sum(leaf_count), 0) from intake)::int',
  )
  expect(stored).toBeGreaterThanOrEqual(acknowledged)
  expect(run.output()).not.toMatch(/rolled back|gave? up|given up|too long|"level":"error"/)
  expect(await scalar(`(select count(*)::int from lease where until > clock_timestamp())`)).toBe(0)
})
