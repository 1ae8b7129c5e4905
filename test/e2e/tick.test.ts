import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../support/wait.ts'
import { createServed, digest, type Served, sealedRecord } from './served.ts'

let served: Served
let other: pg.Client
beforeAll(async () => {
  served = await createServed()
  other = new pg.Client(served.database.url)
  await other.connect()
})
afterAll(async () => {
  await other.end()
  await served.close()
})

async function ticks(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^holdfast_ticks_total\{[^}]*\} (\d+)/m.exec(text)?.[1] ?? 0)
}

it('a tick anchors what is sealed within seconds, although what came after cannot be sealed', {
  timeout: 60_000,
}, async () => {
  const { url, client } = await served.start()
  await client.push(digest(1))
  await until(() => sealedRecord(client, digest(1)), { what: 'the first batch' })
  await other.query('begin')
  await other.query('lock table tile in share mode')
  await client.push(digest(2))
  const before = await ticks(url)
  // The one under way, and one that began with the backlog there.
  await until(async () => (await ticks(url)) >= before + 2, { within: 20_000, what: 'two more ticks' })
  expect(await client.receipt(digest(1))).toMatchObject({ kind: 'receipt' })
  await other.query('commit')
  await until(() => sealedRecord(client, digest(2)), { what: 'the second batch' })
})
