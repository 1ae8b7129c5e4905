import { createHash } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { recordHash } from '../../src/core/record-hash.ts'
import { createServed, type Served } from '../e2e/served.ts'
import { until } from '../support/wait.ts'

const SECRET = 'Zaphod-Beeblebrox'

let served: Served
let database: pg.Client
beforeAll(async () => {
  served = await createServed()
  database = new pg.Client(served.database.url)
  await database.connect()
})
afterAll(async () => {
  await database.end()
  await served.close()
})

/** Tables in which the text occurs, in whatever column: as text, or as bytes. */
async function tablesWith(text: string): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = 'public'`,
  )
  const found: string[] = []
  for (const { name } of rows) {
    const { rowCount } = await database.query(
      `select 1 from "${name}" as t where strpos(t::text, $1) > 0 or strpos(t::text, $2) > 0 limit 1`,
      [text, Buffer.from(text).toString('hex')],
    )
    if (rowCount === 1) found.push(name)
  }
  return found
}

it('what a record says is in no table and no log line, from its arrival to its receipt and its verification', async () => {
  const { url, run, client } = await served.start({ env: { HOLDFAST_LOG_LEVEL: 'debug' } })
  const send = (path: string, type: string, body: string) =>
    fetch(url + path, {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${served.apiKey}`, 'content-type': type },
    })
  const json = 'application/json'
  const record = { name: SECRET }
  const bodies: [path: string, type: string, body: string, status: number][] = [
    ['/v1/records', json, JSON.stringify({ record }), 202],
    ['/v1/records', json, JSON.stringify({ records: [SECRET, [SECRET]] }), 202],
    ['/v1/records', 'application/x-ndjson', `{"record":{"${SECRET}":1}}\n`, 202],
    ['/v1/records', 'application/x-ndjson', `{"record":"${SECRET}"`, 400],
    ['/v1/records', json, `{"record":{"name":"${SECRET}","name":1}}`, 400],
    ['/v1/records', json, `{"record":"${SECRET}`, 400],
    ['/v1/verify', json, JSON.stringify({ record }), 200],
  ]
  for (const [path, type, body, status] of bodies) {
    const response = await send(path, type, body)
    expect(response.status).toBe(status)
    expect(await response.text()).not.toContain(SECRET)
  }
  await client.waitFor(recordHash(record), 'anchored', { deadlineMs: 20_000, pollMs: 100 })
  expect((await send('/v1/verify', json, JSON.stringify({ record }))).status).toBe(200)
  await until(() => client.record(recordHash([SECRET])), { what: 'the last record' })
  run.kill('SIGTERM')
  await run.exit()

  expect(await tablesWith(SECRET)).toEqual([])
  expect(run.output()).not.toContain(SECRET)
  // What is there, the same search finds: a name, a hash in a tile, a message.
  expect(await tablesWith('producer')).toEqual(['source'])
  const inTile = await database.query('select 1 from tile where position($1::bytea in nodes) > 0', [
    createHash('sha256').update(`{"name":"${SECRET}"}`).digest(),
  ])
  expect(inTile.rowCount).toBe(1)
  expect(run.output()).toContain('batch sealed')
})
