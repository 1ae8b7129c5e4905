import Ajv2020 from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HealthCheck } from '../../src/http/deps.ts'
import { until } from '../support/wait.ts'
import { type ServerUnderTest, startServer } from './server-under-test.ts'

let server: ServerUnderTest
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

type Json = { status?: string; checks: HealthCheck[]; [key: string]: unknown }
const json = async (response: Response) => (await response.json()) as Json

describe('health', () => {
  it('lives without a key, is ready with a database, and healthy when every check is', async () => {
    for (const path of ['/livez', '/readyz']) {
      const response = await server.call(path, { key: null })
      expect(response.status).toBe(200)
      expect(await json(response)).toMatchObject({ status: 'ok' })
    }
    const sick = await server.call('/healthz', { key: null })
    expect(sick.status).toBe(503)
    expect(sick.headers.get('retry-after')).toBe('5')
    expect(await json(sick)).toEqual({
      status: 'failing',
      checks: [{ name: 'chain', ok: false, detail: 'no endpoint answers' }],
    })
  })

  it('is not ready while the database is away, and is when it is back', async () => {
    server.databaseAway()
    const away = await server.call('/readyz')
    expect(away.status).toBe(503)
    expect((await json(away)).checks[0]).toMatchObject({ ok: false })
    expect((await server.call('/livez')).status).toBe(200)
    server.databaseBack()
    await until(async () => (await server.call('/readyz')).status === 200, { what: 'readiness' })
  })

  it('does not wait for a check that hangs', async () => {
    const hanging = new Promise<HealthCheck[]>(() => {})
    const slow = await startServer({ replace: { health: { ready: () => hanging, all: () => hanging } } })
    try {
      const response = await slow.call('/healthz')
      expect(response.status).toBe(503)
      expect((await json(response)).checks[0]).toMatchObject({ detail: 'no answer within 5 s' })
    } finally {
      await slow.close()
    }
  })
})

describe('metrics', () => {
  it('count requests by route and status, and problems by code', async () => {
    await server.call('/v1/batches')
    await server.call('/v1/nowhere')
    const text = await until(
      async () => {
        const page = await (await server.call('/metrics', { key: null })).text()
        return page.includes('route="none",status="404"') && page
      },
      { what: 'the counts to be handed over' },
    )
    expect(text).toContain('holdfast_http_requests_total{route="/v1/batches",status="200"}')
    expect(text).toContain('holdfast_http_problems_total{code="NOT_FOUND"}')
    expect(text).toMatch(/holdfast_http_request_seconds_count\{route="\/v1\/batches"\} 1/)
  })
})

describe('GET /v1/status', () => {
  it('is what the daemon says', async () => {
    const response = await server.call('/v1/status')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await json(response)).toEqual({ pending: { bytes: 0, requests: 0 } })
  })
})

describe('/openapi.json', () => {
  type Document = {
    openapi: string
    paths: Record<
      string,
      Record<string, { responses: Record<string, { content: Record<string, { schema: object }> }> }>
    >
  }
  let document: Document
  beforeAll(async () => {
    document = (await (await server.call('/openapi.json', { key: null })).json()) as Document
  })

  it('names every call of the API, and no more', () => {
    expect(document.openapi).toBe('3.1.0')
    const calls = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(calls.filter((call) => !call.startsWith('HEAD')).sort()).toEqual([
      'GET /healthz',
      'GET /livez',
      'GET /metrics',
      'GET /openapi.json',
      'GET /readyz',
      'GET /v1/anchors',
      'GET /v1/anchors/{id}',
      'GET /v1/batches',
      'GET /v1/batches/{id}',
      'GET /v1/batches/{id}/tiles/{level}/{index}',
      'GET /v1/events',
      'GET /v1/records/{hash}',
      'GET /v1/records/{hash}/receipt',
      'GET /v1/status',
      'POST /v1/receipts',
      'POST /v1/records',
      'POST /v1/verify',
    ])
  })

  it('describes what is really answered', async () => {
    const ajv = new Ajv2020.default({ strict: false, validateFormats: false })
    const hash = 'ab'.repeat(32)
    const headers = { 'content-type': 'application/json' }
    const post = (body: unknown) => ({ method: 'POST', headers, body: JSON.stringify(body) })
    const calls: [string, string, RequestInit, number][] = [
      ['/v1/records', '/v1/records', post({ hash }), 202],
      ['/v1/records', '/v1/records', post({ hashes: [hash] }), 202],
      ['/v1/records', '/v1/records', post({ records: [1] }), 202],
      ['/v1/records', '/v1/records', post({ hashes: ['x'] }), 400],
      ['/v1/records/{hash}', `/v1/records/${hash}`, {}, 200],
      ['/v1/records/{hash}', '/v1/records/x', {}, 400],
      ['/v1/records/{hash}', `/v1/records/${'cd'.repeat(32)}`, {}, 404],
      ['/v1/records/{hash}/receipt', `/v1/records/${hash}/receipt`, {}, 202],
      ['/v1/verify', '/v1/verify', post({ hash }), 200],
      ['/v1/batches', '/v1/batches', {}, 200],
      ['/v1/batches/{id}', '/v1/batches/1', {}, 200],
      ['/v1/anchors', '/v1/anchors', {}, 200],
      ['/v1/status', '/v1/status', {}, 200],
      ['/livez', '/livez', {}, 200],
      ['/readyz', '/readyz', {}, 200],
      ['/healthz', '/healthz', {}, 503],
    ]
    await server.call('/v1/records', post({ hash }))
    await server.seal()
    for (const [path, url, init, status] of calls) {
      const response = await server.call(url, init)
      expect([url, response.status]).toEqual([url, status])
      const described = document.paths[path]![(init.method ?? 'get').toLowerCase()]!.responses[status]!
      const type = response.headers.get('content-type')!.split(';')[0]!
      const validate = ajv.compile(described.content[type]!.schema)
      const answer = await response.json()
      expect([url, validate(answer), validate.errors]).toEqual([url, true, null])
    }
  })
})

it('the root points to the API', async () => {
  expect(await json(await server.call('/', { key: null }))).toMatchObject({ api: '/openapi.json' })
})
