import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listSources, revokeSource } from '../../src/store/intake/sources.ts'
import { type ServerUnderTest, startServer } from './server-under-test.ts'

let server: ServerUnderTest
let nowMs = 1_000_000
beforeAll(async () => {
  server = await startServer({ clock: { now: () => nowMs } })
})
afterAll(() => server.close())

const HASH = 'ab'.repeat(32)
const UNKNOWN = 'cd'.repeat(32)

function push(key: string | null): Promise<Response> {
  const headers = { 'content-type': 'application/json' }
  return server.call('/v1/records', { method: 'POST', body: `{"hash":"${HASH}"}`, headers, key })
}

async function codeOf(response: Response): Promise<string> {
  return ((await response.json()) as { code: string }).code
}

describe('API keys', () => {
  it('are needed, known, and sent as a Bearer token', async () => {
    for (const key of [null, 'hf_unknown']) {
      const response = await push(key)
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toContain('Bearer')
      expect(await codeOf(response)).toBe('UNAUTHORIZED')
    }
    const basic = await fetch(`${server.url}/v1/status`, { headers: { authorization: 'Basic YTpi' } })
    expect(basic.status).toBe(401)
  })

  it('open exactly the routes of their scope, on every route', async () => {
    const audited = [
      '/v1/batches',
      '/v1/batches/1',
      '/v1/batches/1/tiles/0/0',
      '/v1/anchors',
      '/v1/anchors/1',
      '/v1/status',
    ]
    const [ingest, audit, admin] = [
      await server.key('ingest'),
      await server.key('audit'),
      await server.key('admin'),
    ]
    expect((await push(ingest)).status).toBe(202)
    expect((await push(admin)).status).toBe(202)
    const refused = await push(audit)
    expect(refused.status).toBe(403)
    expect(((await refused.json()) as { detail: string }).detail).toBe(
      'This needs the scope ingest; the key has audit.',
    )
    for (const path of audited) {
      expect((await server.call(path, { key: null })).status).toBe(401)
      expect((await server.call(path, { key: ingest })).status).toBe(403)
      for (const key of [audit, admin])
        expect([200, 404]).toContain((await server.call(path, { key })).status)
    }
  })

  it('are not needed for what only holders of a hash can ask', async () => {
    const headers = { 'content-type': 'application/json' }
    const open: [string, RequestInit, number][] = [
      [`/v1/records/${UNKNOWN}`, {}, 404],
      [`/v1/records/${UNKNOWN}/receipt`, {}, 404],
      ['/v1/receipts', { method: 'POST', headers, body: JSON.stringify({ hashes: [HASH] }) }, 200],
      ['/v1/verify', { method: 'POST', headers, body: JSON.stringify({ hash: HASH }) }, 200],
    ]
    const closed = await startServer({ settings: { publicReceipts: false } })
    try {
      for (const [path, init, status] of open) {
        expect((await server.call(path, { ...init, key: null })).status).toBe(status)
        expect((await closed.call(path, { ...init, key: null })).status).toBe(401)
        expect((await closed.call(path, { ...init, key: await closed.key('ingest') })).status).toBe(403)
        expect((await closed.call(path, { ...init, key: await closed.key('audit') })).status).toBe(status)
      }
    } finally {
      await closed.close()
    }
  })

  it('are stored as SHA-256 only', async () => {
    const key = await server.key('ingest')
    expect(key).toMatch(/^hf_[A-Za-z0-9_-]{43}$/)
    const { rows } = await server.database.pool.query('select to_jsonb(source)::text as text from source')
    for (const { text } of rows) expect(text).not.toContain(key.slice(3))
    expect(server.logs()).not.toContain(key.slice(3))
  })

  it('that are revoked stop working within 5 seconds, and not one that is fresh is refused for longer', async () => {
    const key = await server.key('ingest')
    expect((await push(key)).status).toBe(202)
    const { name } = (await listSources(server.database.db)).at(-1)!
    expect(await revokeSource(server.database.db, name)).toBe(true)
    nowMs += 4_999
    expect((await push(key)).status).toBe(202)
    nowMs += 1
    expect((await push(key)).status).toBe(401)
    await server.database.pool.query('update source set revoked_at = null where name = $1', [name])
    nowMs += 4_999
    expect((await push(key)).status).toBe(401)
    nowMs += 1
    expect((await push(key)).status).toBe(202)
  })

  it('that are known keep working while the database is away; others get 503, not 401', async () => {
    const key = await server.key('audit')
    const fresh = await server.key('audit')
    expect((await server.call('/v1/status', { key })).status).toBe(200)
    server.databaseAway()
    expect((await server.call('/v1/status', { key })).status).toBe(200)
    const response = await server.call('/v1/status', { key: fresh })
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('2')
    expect(await codeOf(response)).toBe('DATABASE_UNAVAILABLE')
    server.databaseBack()
    expect((await server.call('/v1/status', { key: fresh })).status).toBe(200)
  })
})
