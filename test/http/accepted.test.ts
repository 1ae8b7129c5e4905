import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import { ANCHOR_BY_MS, type ServerUnderTest, startServer } from './server-under-test.ts'

const digest = (n: number) => createHash('sha256').update(`accepted ${n}`).digest()
const digests = (from: number, count: number) => Array.from({ length: count }, (_, i) => digest(from + i))

let server: ServerUnderTest
beforeEach(async () => {
  server = await startServer({ searchedHashes: 1_000 })
})
afterEach(() => server.close())

async function push(hashes: readonly Buffer[]): Promise<string> {
  const response = await server.call('/v1/records', {
    method: 'POST',
    body: Buffer.concat(hashes),
    headers: { 'content-type': 'application/octet-stream' },
  })
  expect(response.status).toBe(202)
  return ((await response.json()) as { receivedAt: string }).receivedAt
}

async function get(path: string) {
  const response = await server.call(path, { key: null })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

async function post(path: string, body: unknown): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  return (await server.call(path, { method: 'POST', body: JSON.stringify(body), headers, key: null })).text()
}

describe('a hash that was acknowledged and is in no batch yet', () => {
  it('is accepted, wherever it is asked for', async () => {
    const receivedAt = await push(digests(0, 300))
    await push(digests(300, 1))
    const anchorBy = new Date(Date.parse(receivedAt) + ANCHOR_BY_MS).toISOString()
    for (const n of [0, 150, 299]) {
      const hash = toHex(digest(n))
      expect(await get(`/v1/records/${hash}`)).toEqual({
        status: 200,
        body: {
          hash,
          status: 'accepted',
          receivedAt,
          source: 'source 0',
          batch: null,
          anchors: [],
          anchorBy,
        },
      })
      expect(await get(`/v1/records/${hash}/receipt`)).toEqual({
        status: 202,
        body: { hash, status: 'accepted', anchorBy },
      })
      expect(JSON.parse(await post('/v1/verify', { hash }))).toMatchObject({
        valid: false,
        conclusive: false,
        checks: [{ name: 'anchored', detail: expect.stringContaining('The record is accepted') }],
      })
    }
    await server.seal()
    expect((await get(`/v1/records/${toHex(digest(0))}`)).body).toMatchObject({
      status: 'sealed',
      batch: { id: '1', leafIndex: 0 },
    })
  })

  it('is told from sealed and unknown ones among many', async () => {
    await push(digests(0, 10))
    await server.seal()
    await push(digests(10, 90))
    const asked = digests(0, 110).map(toHex)
    const lines = (await post('/v1/receipts', { hashes: asked }))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { hash: string; status: string })
    expect(lines.map(({ hash }) => hash)).toEqual(asked)
    expect(lines.map(({ status }) => status)).toEqual([
      ...Array(10).fill('sealed'),
      ...Array(90).fill('accepted'),
      ...Array(10).fill('unknown'),
    ])
  })

  it('that was never pushed is unknown, though its bytes lie across two hashes', async () => {
    await push([digest(1), digest(2)])
    const across = Buffer.concat([digest(1).subarray(16), digest(2).subarray(0, 16)])
    const { status, body } = await get(`/v1/records/${toHex(across)}`)
    expect(status).toBe(404)
    expect(body).toMatchObject({
      code: 'UNKNOWN_RECORD',
      detail: `No record with hash ${toHex(across)} is known here.`,
    })
  })

  it('is found while it is being sealed, by every question in between', async () => {
    const stop = new AbortController()
    const asked = digests(0, 20)
    await push(asked)
    const answers: Promise<number[]>[] = asked.map(async (hash) => {
      const seen: number[] = []
      while (!stop.signal.aborted) seen.push((await get(`/v1/records/${toHex(hash)}`)).status)
      return seen
    })
    for (let round = 1; round <= 10; round++) {
      await server.seal()
      await push(digests(round * 1_000, 20))
    }
    stop.abort()
    expect(new Set((await Promise.all(answers)).flat())).toEqual(new Set([200]))
  })
})

describe('when more waits than a look-up reads', () => {
  it('the newest are searched, and a 404 says how many wait and since when', async () => {
    const receivedAt = await push(digests(0, 900))
    await push(digests(900, 600))
    expect((await get(`/v1/records/${toHex(digest(1_499))}`)).body).toMatchObject({ status: 'accepted' })
    const expected = `1500 hashes wait to be sealed since ${receivedAt}`
    const { status, body } = await get(`/v1/records/${toHex(digest(0))}`)
    expect(status).toBe(404)
    expect(body.detail).toContain(expected)
    expect(await post('/v1/receipts', { hashes: [toHex(digest(0))] })).toContain(expected)
    expect(await post('/v1/verify', { hash: toHex(digest(0)) })).toContain(expected)
  })

  it('strangers who ask for unknown hashes share one statement at a time', async () => {
    await push(digests(0, 1_000))
    const statements = async () =>
      (
        await server.database.pool.query(
          `select count(*)::int as n from pg_stat_activity where state = 'active' and query like '%from searched s%' and pid <> pg_backend_pid()`,
        )
      ).rows[0].n as number
    let most = 0
    const asking = Promise.all(digests(5_000, 400).map((hash) => get(`/v1/records/${toHex(hash)}`)))
    let done = false
    void asking.then(() => {
      done = true
    })
    while (!done) most = Math.max(most, await statements())
    expect(new Set((await asking).map(({ status }) => status))).toEqual(new Set([404]))
    expect(most).toBeLessThanOrEqual(1)
  })
})
