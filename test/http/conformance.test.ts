import Ajv2020 from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { arbitraryOf } from './schema-arbitrary.ts'
import { type ServerUnderTest, startServer } from './server-under-test.ts'

type Content = Record<string, { schema: Record<string, unknown> }>
type Parameter = { name: string; in: 'path' | 'query'; required?: boolean; schema: Record<string, unknown> }
type Operation = {
  parameters?: Parameter[]
  requestBody?: { content: Content }
  responses: Record<string, { content: Content }>
}
type Document = { paths: Record<string, Record<string, Operation>>; components: object }

/** Every call that ends by itself, as the document names it. */
const CALLS = [
  'post /v1/records',
  'get /v1/records/{hash}',
  'get /v1/records/{hash}/receipt',
  'post /v1/receipts',
  'post /v1/verify',
  'get /v1/batches',
  'get /v1/batches/{id}',
  'get /v1/batches/{id}/tiles/{level}/{index}',
  'get /v1/anchors',
  'get /v1/anchors/{id}',
  'get /v1/status',
  'get /livez',
  'get /readyz',
  'get /healthz',
  'get /metrics',
  'get /openapi.json',
]
const RUNS = 60

let server: ServerUnderTest
let document: Document
const ajv = new Ajv2020.default({ strict: false, validateFormats: false })
beforeAll(async () => {
  server = await startServer()
  document = (await (await server.call('/openapi.json', { key: null })).json()) as Document
  const push = {
    method: 'POST',
    body: '{"records":[1,2,3]}',
    headers: { 'content-type': 'application/json' },
  }
  await server.call('/v1/records', push)
  await server.seal()
})
afterAll(() => server.close())

type Request = { url: string; body: unknown }

/** Requests that the document calls valid. JSON bodies; octets and NDJSON are opaque to a schema. */
function requestsOf(path: string, operation: Operation): fc.Arbitrary<Request> {
  const parameters = fc.record(
    Object.fromEntries(
      (operation.parameters ?? []).map(({ name, schema }) => [name, arbitraryOf(schema, document)]),
    ),
    {
      requiredKeys: (operation.parameters ?? []).filter((each) => each.in === 'path').map(({ name }) => name),
    },
  )
  const schema = operation.requestBody?.content['application/json']?.schema
  const body = schema === undefined ? fc.constant(undefined) : arbitraryOf(schema, document)
  return fc.tuple(parameters, body).map(([values, given]) => {
    const rest = new URLSearchParams()
    let url = path
    for (const { name, in: place } of operation.parameters ?? []) {
      if (!(name in values)) continue
      const value = String(values[name])
      if (place === 'path') url = url.replace(`{${name}}`, encodeURIComponent(value))
      else rest.set(name, value)
    }
    return { url: rest.size > 0 ? `${url}?${rest}` : url, body: given }
  })
}

describe('what the OpenAPI document calls valid', () => {
  it('is all there is, event streams aside', () => {
    const all = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    )
    expect(all.filter((each) => !/^head|events/.test(each)).sort()).toEqual([...CALLS].sort())
  })

  it.each(CALLS)('%s: is never refused as invalid, and answered as documented', async (call) => {
    const [method, path] = call.split(' ') as [string, string]
    const operation = document.paths[path]![method]!
    await fc.assert(
      fc.asyncProperty(requestsOf(path, operation), async ({ url, body }) => {
        const response = await server.call(url, {
          method: method.toUpperCase(),
          ...(body !== undefined && {
            body: JSON.stringify(body),
            headers: { 'content-type': 'application/json' },
          }),
        })
        const text = await response.text()
        expect(response.status, text).not.toBe(400)
        expect(response.status, text).not.toBe(500)
        const described = operation.responses[response.status]?.content
        const type = response.headers.get('content-type')!.split(';')[0]!
        expect(Object.keys(described ?? {}), `status ${response.status}`).toContain(type)
        if (!type.endsWith('json') || type.includes('nd')) return
        const validate = ajv.compile({ ...described![type]!.schema, components: document.components })
        expect([JSON.parse(text), validate(JSON.parse(text)), validate.errors]).toEqual([
          JSON.parse(text),
          true,
          null,
        ])
      }),
      { numRuns: operation.requestBody || operation.parameters ? RUNS : 1 },
    )
  })

  it.each([
    '/v1/batches?limit=0',
    '/v1/batches?limit=1e2',
    '/v1/batches?limit=',
    '/v1/batches?limit=1&limit=2',
    '/v1/anchors?before=x',
    '/v1/anchors?page=2',
    '/v1/batches/-1',
    '/v1/batches/1/tiles/0/x',
    '/v1/records/xyz',
  ])('is not %s, and is refused with a problem', async (url) => {
    const response = await server.call(url)
    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toContain('application/problem+json')
  })

  it('includes pages before ids that were never given out', async () => {
    const response = await server.call('/v1/batches?before=9999999999999999&limit=1')
    expect(response.status).toBe(200)
    expect(((await response.json()) as { batches: object[] }).batches).toHaveLength(1)
  })
})
