import { createHash } from 'node:crypto'
import { Agent, request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServerUnderTest, startServer } from './server-under-test.ts'

const hexOf = (n: number) => `0x${createHash('sha256').update(`single ${n}`).digest('hex')}`

let server: ServerUnderTest
let known: string

beforeAll(async () => {
  server = await startServer()
  known = await server.key('ingest')
  // From the second request on the key is known, and single pushes are answered before the router.
  expect((await push(`{"hash":"${hexOf(0)}"}`)).status).toBe(202)
})
afterAll(() => server.close())

const push = (body: string, headers: Record<string, string> = {}, key: string = known) =>
  server.call('/v1/records', {
    method: 'POST',
    body,
    key,
    headers: { 'content-type': 'application/json', ...headers },
  })

describe('a single push with a known key', () => {
  it('gets the answer and the headers that a longer way gives', async () => {
    const body = `{"hash":"${hexOf(1).toUpperCase().replace('0X', '0x')}"}`
    const short = await push(body)
    const long = await push(body, {}, await server.key('ingest'))
    const shape = async (response: Response) => ({
      status: response.status,
      headers: [...response.headers.keys()].sort(),
      type: response.headers.get('content-type'),
      nosniff: response.headers.get('x-content-type-options'),
      keys: Object.keys((await response.clone().json()) as object),
      hash: ((await response.json()) as { hash: string }).hash,
    })
    const answered = await shape(short)
    expect(answered).toEqual(await shape(long))
    expect(answered).toMatchObject({ status: 202, nosniff: 'nosniff', hash: hexOf(1) })
  })

  it.each([
    ['two hashes', `{"hashes":["${hexOf(2)}","${hexOf(3)}"]}`, 202, undefined],
    ['a record', '{"record":{"lot":"A1"}}', 202, undefined],
    ['no hash at all', '{"hash":"0x12"}', 400, 'INVALID_HASH'],
    ['broken JSON', '{"hash":', 400, 'INVALID_JSON'],
    ['an empty body', '', 400, 'EMPTY'],
  ])('with %s is read, or refused, like any other', async (_what, body, status, code) => {
    const response = await push(body)
    const answer = (await response.json()) as { code?: string; accepted?: number }
    expect(response.status).toBe(status)
    expect(answer.code).toBe(code)
  })

  it('whose body comes in pieces is stored once', async () => {
    const before = (await server.stored()).length
    const body = `{"hash":"${hexOf(4)}"}`
    const agent = new Agent()
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const sent = request(
        `${server.url}/v1/records`,
        {
          method: 'POST',
          agent,
          headers: {
            authorization: `Bearer ${known}`,
            'content-type': 'application/json',
            'content-length': body.length,
          },
        },
        (response) => response.resume().on('end', () => resolve(response.statusCode)),
      )
      sent.on('error', reject)
      sent.setNoDelay(true)
      sent.write(body.slice(0, 20), () => setImmediate(() => sent.end(body.slice(20))))
    })
    agent.destroy()
    expect(status).toBe(202)
    expect(await server.stored()).toHaveLength(before + 1)
  })

  it('is refused when the key has another scope', async () => {
    const auditor = await server.key('audit')
    for (let time = 0; time < 2; time++) {
      const response = await push(`{"hash":"${hexOf(5)}"}`, {}, auditor)
      expect(response.status).toBe(403)
    }
  })

  it('is refused with a Content-Encoding', async () => {
    expect((await push(`{"hash":"${hexOf(6)}"}`, { 'content-encoding': 'gzip' })).status).toBe(415)
  })

  it('is 503 with Retry-After while the database is away, and 202 when it is back', async () => {
    server.databaseAway()
    const response = await push(`{"hash":"${hexOf(7)}"}`)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).not.toBeNull()
    expect(await response.json()).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    await server.databaseBack()
    expect((await push(`{"hash":"${hexOf(7)}"}`)).status).toBe(202)
  })

  it('that is under way when the server closes is answered, and its connection ends', async () => {
    const commits = await server.holdCommits()
    const pending = push(`{"hash":"${hexOf(8)}"}`)
    await commits.waiting()
    const closing = server.close()
    await commits.free()
    const response = await pending
    expect(response.status).toBe(202)
    expect(response.headers.get('connection')).toBe('close')
    await closing
    server = await startServer()
  })
})
