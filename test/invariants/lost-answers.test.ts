import { verifyReceipt } from 'holdfast-client'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createServed, digest, type Served } from '../e2e/served.ts'
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.ts'
import { type ChildRun, runHoldfast } from '../support/process.ts'
import { until } from '../support/wait.ts'

let served: Served
let proxy: DatabaseProxy
let database: pg.Client
let daemon: ChildRun | undefined
beforeAll(async () => {
  served = await createServed()
  proxy = await startDatabaseProxy(served.database.url)
  database = new pg.Client(served.database.url)
  await database.connect()
})
afterEach(async () => {
  proxy.loseNothing()
  daemon?.kill('SIGTERM')
  await daemon?.exit()
})
afterAll(async () => {
  await database.end()
  await proxy.close()
  await served.close()
})

async function start() {
  const started = await served.start({ databaseUrl: proxy.url })
  daemon = started.run
  return started
}

/** How many leaves the hash has become, sealed or not. */
async function leavesOf(hash: Buffer): Promise<number> {
  const { rows } = await database.query<{ hashes: Buffer }>(
    'select hashes from intake union all select nodes from tile where level = 0',
  )
  return rows
    .flatMap(({ hashes }) =>
      Array.from({ length: hashes.length / 32 }, (_, i) => hashes.subarray(i * 32, i * 32 + 32)),
    )
    .filter((leaf) => leaf.equals(hash)).length
}

describe('a push whose commit happened and whose answer was lost', () => {
  const hex = (n: number) => digest(n).toString('hex')
  it.each([
    { form: 'one hash', n: 1, type: 'application/json', body: JSON.stringify({ hash: hex(1) }) },
    { form: 'hashes', n: 2, type: 'application/json', body: JSON.stringify({ hashes: [hex(2), hex(3)] }) },
    { form: 'NDJSON', n: 4, type: 'application/x-ndjson', body: `"${hex(4)}"\n` },
    { form: 'octets', n: 5, type: 'application/octet-stream', body: digest(5) },
  ])('of $form is 503, is stored once, and pushed again has a receipt', async ({ n, type, body }) => {
    const { url, client } = await start()
    const push = () =>
      fetch(`${url}/v1/records`, {
        method: 'POST',
        headers: { 'content-type': type, authorization: `Bearer ${served.apiKey}` },
        body,
      })
    const lost = proxy.loseCommitAnswer('holdfast-ingest')
    const answer = await push()
    await lost
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    const problem = (await answer.json()) as { accepted?: number }
    expect(problem).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    expect(problem.accepted ?? 0).toBe(0)
    expect(await leavesOf(digest(n))).toBe(1)

    expect((await push()).status).toBe(202)
    expect(await leavesOf(digest(n))).toBe(2)
    const receipt = await client.waitFor(digest(n), 'anchored', { deadlineMs: 30_000, pollMs: 100 })
    const hash = `0x${digest(n).toString('hex')}`
    expect(await verifyReceipt(receipt, { rpc: () => served.anvil.url, hash })).toMatchObject({ valid: true })
    const acknowledged = /^holdfast_intake_hashes_total (\d+)$/m.exec(
      await (await fetch(`${url}/metrics`)).text(),
    )
    expect(Number(acknowledged?.[1])).toBe(n === 2 ? 2 : 1)
  })
})

it.each(['holdfast-seal', 'holdfast-anchor'])(
  'every commit of %s, its answer lost in turn, happens once: nothing is sealed, anchored or paid for twice',
  async (application) => {
    const rootsBefore = await served.rootsOnChain()
    const { client } = await start()
    const n = application.length * 10
    let losses = 0
    let isOver = false
    const losing = (async () => {
      while (!isOver && losses < 12) {
        await Promise.race([
          proxy.loseCommitAnswer(application).then(() => losses++),
          until(() => isOver, { within: 60_000, what: 'the end' }),
        ])
      }
    })()
    for (const i of [0, 1, 2]) {
      await client.push(digest(n + i))
      await client.waitFor(digest(n + i), 'anchored', { deadlineMs: 60_000, pollMs: 100 })
      expect(await leavesOf(digest(n + i))).toBe(1)
    }
    isOver = true
    await losing
    expect(losses).toBeGreaterThan(3)
    const { rows } = await database.query<{ leaves: number; batches: number }>(
      `select (select sum(leaf_count)::int from batch) as leaves,
         (select count(distinct (batch_id, first_leaf))::int from arrival) as batches`,
    )
    expect(rows[0]!.leaves).toBeGreaterThan(0)
    for (const [root, times] of await served.rootsOnChain()) {
      if (!rootsBefore.has(root)) expect(times, root).toBe(1)
    }
    const nonces = await database.query(
      'select nonce from attempt group by nonce having count(distinct anchor_id) > 1',
    )
    expect(nonces.rows).toEqual([])
  },
  120_000,
)

it('a key whose making was answered by nobody is printed all the same, and works', async () => {
  const lost = proxy.loseCommitAnswer('holdfast-cli')
  const run = runHoldfast(['keys', 'create', 'lucky'], { env: { ...served.env, DATABASE_URL: proxy.url } })
  expect(await run.exit()).toEqual({ code: 0, signal: null })
  await lost
  const { url } = await start()
  const answer = await fetch(`${url}/v1/records`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', authorization: `Bearer ${run.stdout().trim()}` },
    body: digest(900),
  })
  expect(answer.status).toBe(202)
})

it('a migration whose answer was lost is done when it is asked for again', async () => {
  await database.query('create database migrating')
  const url = new URL(proxy.url)
  url.pathname = '/migrating'
  // The row by which migrations lock each other out, and the migrations.
  const lost = Promise.all([1, 2].map(() => proxy.loseCommitAnswer('holdfast-migrate')))
  const env = { DATABASE_URL: url.href }
  const first = runHoldfast(['migrate'], { env })
  expect((await first.exit()).code, first.stderr()).toBe(75)
  await lost
  const second = runHoldfast(['migrate'], { env })
  expect(await second.exit()).toEqual({ code: 0, signal: null })
  await database.query('drop database migrating with (force)')
})
