import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HoldfastError } from '../../src/core/errors.ts'
import type { HttpDeps } from '../../src/http/deps.ts'
import { REQUEST_BYTES } from '../../src/ingest/intake-queue.ts'
import { until } from '../support/wait.ts'
import { type ServerUnderTest, startServer } from './server-under-test.ts'

/** For two requests of 32 KiB from one source, and for another source beside them. */
const ROOM = 3 * (32 * 1024 + REQUEST_BYTES)

let server: ServerUnderTest
beforeEach(async () => {
  server = await startServer({ limits: { maxPendingBytes: ROOM } })
})
afterEach(() => server.close())

const hexOf = (n: number) => createHash('sha256').update(`record ${n}`).digest('hex')

function push(body: string | Buffer, type = 'application/json') {
  return server.call('/v1/records', { method: 'POST', body, headers: { 'content-type': type } })
}

const problem = async (response: Response) => (await response.json()) as Record<string, unknown>

describe('the database away at ingest', () => {
  it('is 503 with Retry-After for every kind of body, and over when it is back', async () => {
    expect((await push(`{"hash":"${hexOf(0)}"}`)).status).toBe(202)
    server.databaseAway()
    const bodies: [string | Buffer, string][] = [
      [`{"hash":"${hexOf(1)}"}`, 'application/json'],
      [JSON.stringify({ records: [1, 2] }), 'application/json'],
      [Buffer.alloc(64), 'application/octet-stream'],
      [`"${hexOf(2)}"\n`, 'application/x-ndjson'],
    ]
    for (const [body, type] of bodies) {
      const response = await push(body, type)
      expect(response.status).toBe(503)
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(await problem(response)).toMatchObject({
        code: 'DATABASE_UNAVAILABLE',
        ...(type === 'application/x-ndjson' && { accepted: 0, line: 1 }),
      })
    }
    expect(await server.stored()).toHaveLength(1)
    server.databaseBack()
    await until(async () => (await push(`{"hash":"${hexOf(3)}"}`)).status === 202, {
      what: 'ingest to recover',
    })
    expect(await server.stored()).toHaveLength(2)
  })

  it('is 503 for readers', async () => {
    server.databaseAway()
    for (const path of [`/v1/records/${hexOf(1)}`, `/v1/records/${hexOf(1)}/receipt`]) {
      const response = await server.call(path, { key: null })
      expect(response.status).toBe(503)
      expect(await problem(response)).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    }
    const response = await server.call('/v1/receipts', {
      method: 'POST',
      key: null,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ hashes: [hexOf(1)] }),
    })
    expect(response.status).toBe(503)
    server.databaseBack()
  })
})

describe('a database that answers with an error of its own', () => {
  it.each(['25006', '53100', '53200', '53300', '42501', '42P01', '40001', '57P01', '58030', 'XX000'])(
    '%s: pushes of every form get 503 with Retry-After, and no word of the database’s',
    async (state) => {
      await server.database.pool.query(`
        create or replace function refuse() returns trigger language plpgsql as $$
          begin raise exception 'secret words' using errcode = '${state}'; end $$;
        create or replace trigger refuse before insert on intake for each row execute function refuse();
      `)
      const answers = await Promise.all([
        push(`{"hash":"${hexOf(1)}"}`),
        push(`{"hashes":["${hexOf(1)}","${hexOf(2)}"]}`),
        push(`"${hexOf(1)}"\n`, 'application/x-ndjson'),
        push(Buffer.alloc(64, 1), 'application/octet-stream'),
      ])
      for (const answer of answers) {
        expect(answer.status).toBe(503)
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
        const document = await problem(answer)
        expect(document).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
        expect(JSON.stringify(document)).not.toContain('secret')
      }
      expect(await server.stored()).toEqual([])
      await server.database.pool.query('drop trigger refuse on intake')
      expect((await push(`{"hash":"${hexOf(1)}"}`)).status).toBe(202)
    },
  )

  it.each([
    ['a record', `/v1/records/${hexOf(1)}`],
    ['a receipt', `/v1/records/${hexOf(1)}/receipt`],
    ['batches', '/v1/batches'],
    ['a batch', '/v1/batches/1'],
    ['a tile', '/v1/batches/1/tiles/0/0'],
    ['anchors', '/v1/anchors'],
    ['an anchor', '/v1/anchors/1'],
  ])('as after a migration that went back, reads get the same: %s', async (_what, path) => {
    await server.database.pool.query('alter schema public rename to elsewhere')
    const answer = await server.call(path)
    expect(answer.status).toBe(503)
    expect(await problem(answer)).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
  })
})

describe('the database away in the middle of many receipts', () => {
  it('breaks the body off, so that nobody takes it for whole', async () => {
    const hash = `0x${hexOf(1)}` as const
    const prover: HttpDeps['prover'] = {
      record: async () => ({ kind: 'unknown', unsearched: null }),
      receipt: async () => ({ kind: 'unknown', unsearched: null }),
      async *receipts() {
        yield { hash, status: 'sealed' as const }
        throw new HoldfastError('DATABASE_UNAVAILABLE', 'The database went away.')
      },
    }
    const failing = await startServer({ replace: { prover } })
    try {
      const response = await failing.call('/v1/receipts', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ hashes: [hash, hash] }),
      })
      await expect(response.text()).rejects.toThrow()
      expect(failing.logs()).toContain('receipts broken off in the middle')
    } finally {
      await failing.close()
    }
  })
})

describe('more than fits', () => {
  it('is OVERLOADED with Retry-After, and what was acknowledged is stored', async () => {
    const commits = await server.holdCommits()
    const body = Buffer.alloc(32 * 1024, 1)
    const requests = Array.from({ length: 6 }, () => push(body, 'application/octet-stream'))
    const statuses: number[] = []
    for (const request of requests) void request.then(({ status }) => statuses.push(status))
    await until(() => statuses.length === 4, { what: 'the refusals' })
    expect(statuses).toEqual([503, 503, 503, 503])
    await commits.free()
    const responses = await Promise.all(requests)
    const refused = responses.filter(({ status }) => status === 503)
    for (const response of refused) {
      expect(response.headers.get('retry-after')).toBe('1')
      expect(await problem(response)).toMatchObject({ code: 'OVERLOADED', retryAfter: 1 })
    }
    expect(await server.stored()).toHaveLength(2 * 1024)
    expect(await server.metrics()).toContain('holdfast_http_problems_total{code="OVERLOADED"} 4')
  })

  it('is for the source that fills the room, and not for the next', async () => {
    const commits = await server.holdCommits()
    const body = Buffer.alloc(32 * 1024, 1)
    const headers = { 'content-type': 'application/octet-stream' }
    const greedy = Array.from({ length: 6 }, () => push(body, 'application/octet-stream'))
    const statuses: number[] = []
    for (const request of greedy) void request.then(({ status }) => statuses.push(status))
    await until(() => statuses.length === 4, { what: 'the refusals' })
    const key = await server.key('ingest')
    const modest = server.call('/v1/records', { method: 'POST', body: body.subarray(0, 320), headers, key })
    await Promise.race([modest, until(() => statuses.length > 4, { what: 'an answer', within: 500 })]).catch(
      () => {},
    )
    await commits.free()
    expect((await modest).status).toBe(202)
    await Promise.all(greedy)
  })

  it('counts what requests hold beside their hashes, so that single hashes have a limit as well', async () => {
    const commits = await server.holdCommits()
    const requests = Array.from({ length: 20 }, (_, n) => push(`{"hash":"${hexOf(n)}"}`))
    const statuses: number[] = []
    for (const request of requests) void request.then(({ status }) => statuses.push(status))
    const room = Math.floor((ROOM * 3) / 4 / (32 + REQUEST_BYTES))
    await until(() => statuses.length === 20 - room, { what: 'the refusals' })
    expect(new Set(statuses)).toEqual(new Set([503]))
    await commits.free()
    await Promise.all(requests)
    expect(await server.stored()).toHaveLength(room)
  })
})

describe('errors nobody foresaw', () => {
  it('are 500 without a word about their cause, which is in the log', async () => {
    const failing = await startServer({
      replace: {
        status: () => Promise.reject(new TypeError('secret detail of the inside')),
        intake: { push: () => Promise.reject(new RangeError('another inside')) },
        verify: () => Promise.reject(new HoldfastError('CHAIN_UNAVAILABLE', 'No endpoint answers.')),
      },
    })
    try {
      const response = await failing.call('/v1/status')
      expect(response.status).toBe(500)
      const text = await response.text()
      expect(text).not.toMatch(/secret|TypeError|at /)
      expect(JSON.parse(text)).toMatchObject({ code: 'INTERNAL' })
      const headers = { 'content-type': 'application/json' }
      for (const [body, type] of [
        [`{"hash":"${hexOf(1)}"}`, 'application/json'],
        [`"${hexOf(1)}"`, 'application/x-ndjson'],
      ] as const) {
        const pushed = await failing.call('/v1/records', {
          method: 'POST',
          body,
          headers: { 'content-type': type },
        })
        expect(pushed.status).toBe(500)
      }
      expect(failing.logs()).toContain('secret detail of the inside')
      const verified = await failing.call('/v1/verify', { method: 'POST', headers, body: '{"receipt":{}}' })
      expect(verified.status).toBe(503)
      expect(verified.headers.get('retry-after')).toBe('1')
    } finally {
      await failing.close()
    }
  })
})

describe('a server that closes', () => {
  it('answers what is under way first', async () => {
    const commits = await server.holdCommits()
    const pending = push(`{"hash":"${hexOf(1)}"}`)
    await commits.waiting()
    const closing = server.close()
    await commits.free()
    expect((await pending).status).toBe(202)
    await closing
    server = await startServer()
  })
})

describe('what a record says', () => {
  it('is in no log and no table, whether it was taken or refused', async () => {
    const secret = 'Zaphod-Beeblebrox'
    const bodies: [string, string, number][] = [
      [JSON.stringify({ record: { name: secret } }), 'application/json', 202],
      [JSON.stringify({ records: [secret] }), 'application/json', 202],
      [`{"record":"${secret}"}\n`, 'application/x-ndjson', 202],
      [`{"record":{"name":"${secret}","name":1}}`, 'application/json', 400],
      [`{"record":"${secret}"`, 'application/json', 400],
      [`{"record":"${secret}`, 'application/x-ndjson', 400],
    ]
    for (const [body, type, status] of bodies) {
      const response = await push(body, type)
      expect(response.status).toBe(status)
      expect(await response.text()).not.toContain(secret)
    }
    expect(server.logs()).not.toContain(secret)
    const { rows } = await server.database.pool.query('select encode(hashes, $1) as text from intake', [
      'escape',
    ])
    expect(JSON.stringify(rows)).not.toContain(secret)
  })
})
