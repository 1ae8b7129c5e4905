import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { recordHash } from '../../src/core/record-hash.ts'
import { until } from '../support/wait.ts'
import { ANCHOR_BY_MS, type ServerUnderTest, startServer } from './server-under-test.ts'

let server: ServerUnderTest
beforeAll(async () => {
  server = await startServer({ settings: { requestTimeoutMs: 1_000 } })
})
afterAll(() => server.close())
beforeEach(async () => {
  await server.database.pool.query('truncate intake')
})

const digest = (n: number) => createHash('sha256').update(`record ${n}`).digest()
const digests = (count: number) => Array.from({ length: count }, (_, i) => digest(i))
const hexes = (hashes: Buffer[]) => hashes.map((hash) => hash.toString('hex'))
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

function post(body: string | Buffer, type = 'application/json', headers: Record<string, string> = {}) {
  return server.call('/v1/records', { method: 'POST', body, headers: { 'content-type': type, ...headers } })
}

async function accepted(response: Response): Promise<Record<string, unknown>> {
  expect(response.status).toBe(202)
  const answer = (await response.json()) as Record<string, string>
  expect(answer.receivedAt).toMatch(INSTANT)
  expect(Date.parse(answer.anchorBy!) - Date.parse(answer.receivedAt!)).toBe(ANCHOR_BY_MS)
  const { receivedAt: _receivedAt, anchorBy: _anchorBy, ...rest } = answer
  return rest
}

async function refused(response: Response): Promise<Record<string, unknown>> {
  expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
  expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  const problem = (await response.json()) as Record<string, unknown>
  expect(problem.status).toBe(response.status)
  expect(problem.type).toMatch(/^urn:holdfast:problem:[a-z-]+$/)
  expect(String(problem.detail).length).toBeGreaterThan(10)
  return problem
}

describe('what is accepted is stored, in order', () => {
  it('one hash, written in any way', async () => {
    const hex = digest(1).toString('hex')
    for (const text of [hex, `0x${hex}`, hex.toUpperCase(), `0x${hex.toUpperCase()}`]) {
      expect(await accepted(await post(`{"hash":"${text}"}`))).toEqual({ accepted: 1, hash: `0x${hex}` })
    }
    expect(await accepted(await post(` {\n"\\u0068ash" : "${hex}" }`))).toEqual({
      accepted: 1,
      hash: `0x${hex}`,
    })
    expect(hexes(await server.stored())).toEqual(Array(5).fill(hex))
  })

  it('10,000 hashes in one body, plain or pretty', async () => {
    const hashes = digests(10_000)
    expect(await accepted(await post(JSON.stringify({ hashes: hexes(hashes) })))).toEqual({
      accepted: 10_000,
    })
    const few = hexes(hashes.slice(0, 3))
    expect(await accepted(await post(JSON.stringify({ hashes: few }, null, 2)))).toEqual({ accepted: 3 })
    expect(hexes(await server.stored())).toEqual([...hexes(hashes), ...few])
  })

  it('a record and records, as SHA-256 of their canonical form', async () => {
    const record = { b: [1, 2.5, 'ü'], a: { __proto__x: null } }
    const hash = recordHash(record)
    expect(await accepted(await post(JSON.stringify({ record })))).toEqual({
      accepted: 1,
      hash: `0x${hash.toString('hex')}`,
    })
    const others = [null, 'text', [], 0.1]
    expect(await accepted(await post(JSON.stringify({ records: others })))).toEqual({
      accepted: 4,
      hashes: others.map((each) => `0x${recordHash(each).toString('hex')}`),
    })
    expect(hexes(await server.stored())).toEqual(hexes([hash, ...others.map(recordHash)]))
  })

  it('octets', async () => {
    const hashes = digests(2_000)
    expect(await accepted(await post(Buffer.concat(hashes), 'application/octet-stream'))).toEqual({
      accepted: 2_000,
    })
    expect(hexes(await server.stored())).toEqual(hexes(hashes))
  })

  it.each([
    ['a list of one', JSON.stringify({ hashes: [digest(3).toString('hex')] }), 'application/json'],
    ['32 octets', digest(3), 'application/octet-stream'],
    ['one line', `\n"${digest(3).toString('hex')}"\n`, 'application/x-ndjson'],
  ])('one item, whose hash is named: %s', async (_name, body, type) => {
    const hash = `0x${digest(3).toString('hex')}`
    expect(await accepted(await post(body, type))).toEqual({ accepted: 1, hash })
  })

  it('1,048,576 hashes in one body of octets', async () => {
    const body = Buffer.alloc(32 * 1_048_576, 7)
    expect(await accepted(await post(body, 'application/octet-stream'))).toEqual({ accepted: 1_048_576 })
    const { rows } = await server.database.pool.query('select sum(leaf_count)::int as leaves from intake')
    expect(rows[0].leaves).toBe(1_048_576)
  })

  it('octets without a Content-Length', async () => {
    const hashes = digests(5_000)
    const response = await server.call('/v1/records', {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: new Blob(hashes.map((hash) => new Uint8Array(hash))).stream(),
      duplex: 'half',
    })
    expect(await accepted(response)).toEqual({ accepted: 5_000 })
    expect(hexes(await server.stored())).toEqual(hexes(hashes))
  })

  it('NDJSON of every kind of line, over many slices', async () => {
    const hashes = digests(40_000)
    const record = { name: 'Ada' }
    const text = hexes(hashes).map((hex, i) => (i % 2 === 0 ? `"${hex}"` : `{"hash":"0x${hex}"}`))
    const body = `${text.join('\r\n')}\n\n{"record":${JSON.stringify(record)}}`
    expect(await accepted(await post(body, 'application/x-ndjson'))).toEqual({ accepted: 40_001 })
    const stored = hexes(await server.stored())
    expect(stored.sort()).toEqual(hexes([...hashes, recordHash(record)]).sort())
  })
})

const hex = digest(1).toString('hex')
const bad: [string, string | Buffer, string, number, Record<string, unknown>][] = [
  ['a hash of 20 bytes', `{"hash":"${'ab'.repeat(20)}"}`, 'INVALID_HASH', 400, {}],
  ['a hash that is not hex', `{"hash":"${'zz'.repeat(32)}"}`, 'INVALID_HASH', 400, {}],
  ['a hash that is a number', '{"hash":1}', 'INVALID_HASH', 400, {}],
  [
    'one bad hash among good ones',
    JSON.stringify({ hashes: [hex, hex, 'ab'] }),
    'INVALID_HASH',
    400,
    { index: 2 },
  ],
  ['no hashes', '{"hashes":[]}', 'EMPTY', 400, {}],
  ['no records', '{"records":[]}', 'EMPTY', 400, {}],
  ['an empty body', '', 'EMPTY', 400, {}],
  ['hashes that are not a list', `{"hashes":"${hex}"}`, 'INVALID_REQUEST', 400, {}],
  [
    'too many hashes',
    JSON.stringify({ hashes: Array(10_001).fill(hex) }),
    'TOO_MANY_ITEMS',
    413,
    { index: 10_000 },
  ],
  [
    'too many records',
    JSON.stringify({ records: Array(1_001).fill(1) }),
    'TOO_MANY_ITEMS',
    413,
    { index: 1_000 },
  ],
  ['JSON that breaks off', `{"hash":"${hex}"`, 'INVALID_JSON', 400, {}],
  ['JSON with something behind it', `{"hash":"${hex}"} x`, 'INVALID_JSON', 400, {}],
  ['JSON with a comment', `{/* */"hash":"${hex}"}`, 'INVALID_JSON', 400, {}],
  ['a text instead of an object', '"text"', 'INVALID_REQUEST', 400, {}],
  ['an object without a known key', '{}', 'INVALID_REQUEST', 400, {}],
  ['an unknown key', `{"hash":"${hex}","note":1}`, 'INVALID_REQUEST', 400, {}],
  ['two kinds in one body', `{"hash":"${hex}","record":{}}`, 'INVALID_REQUEST', 400, {}],
  ['a key twice', `{"hash":"${hex}","hash":"${hex}"}`, 'INVALID_RECORD', 400, {}],
  ['a duplicate key in a record', '{"record":{"a":{"b":1,"b":1}}}', 'INVALID_RECORD', 400, {}],
  ['an unsafe number in a record', '{"record":{"a":9007199254740993}}', 'INVALID_RECORD', 400, {}],
  ['a number beyond doubles', '{"record":1e400}', 'INVALID_RECORD', 400, {}],
  ['half a surrogate pair', '{"record":"\\ud800"}', 'INVALID_RECORD', 400, {}],
  ['one bad record among good ones', '{"records":[1,{"a":1,"a":2}]}', 'INVALID_RECORD', 400, { index: 1 }],
  ['a broken value among hashes', `{"hashes":["${hex}","${hex}",nope]}`, 'INVALID_JSON', 400, { index: 2 }],
  [
    'a fault deep in a record',
    '{"records":[1,2,{"a":[0,{"b":1e400}]}]}',
    'INVALID_RECORD',
    400,
    { index: 2 },
  ],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'INVALID_ENCODING', 400, {}],
  [
    'a no-break space around the hash',
    Buffer.from(`\u00a0{"hash":"${hex}"}`, 'latin1'),
    'INVALID_ENCODING',
    400,
    {},
  ],
]

describe('what is refused leaves nothing behind', () => {
  it.each(bad)('JSON: %s', async (_name, body, code, status, more) => {
    expect(await refused(await post(body))).toMatchObject({ code, status, ...more })
    expect(await server.stored()).toEqual([])
  })

  it('says to hash first, and which character is wrong', async () => {
    const short = await refused(await post(`{"hash":"${'ab'.repeat(20)}"}`))
    expect(short.detail).toContain('Hash the content with SHA-256 first.')
    const letter = await refused(await post(`{"hash":"0x${'ab'.repeat(31)}xy"}`))
    expect(letter.detail).toContain('Character "x" at position 64 is not a hex digit')
    const key = await refused(await post('{"record":{"list":[1,{"a":1,"a":2}]}}'))
    expect(key).not.toHaveProperty('index')
    expect(key.detail).toMatch(/^Line 1, column \d+ \(\$\.record\.list\[1\]\.a\): the key "a" is there twice/)
  })

  it('octets: none, or not a multiple of 32', async () => {
    const type = 'application/octet-stream'
    expect(await refused(await post('', type))).toMatchObject({ code: 'EMPTY', status: 400 })
    const odd = await refused(await post(Buffer.alloc(33), type))
    expect(odd).toMatchObject({ code: 'INVALID_HASH', index: 1 })
    expect(odd.detail).toContain('33 bytes, which is not a multiple of 32')
    expect(await server.stored()).toEqual([])
  })

  it('NDJSON: nothing but blank lines', async () => {
    expect(await refused(await post('\n \n', 'application/x-ndjson'))).toMatchObject({ code: 'EMPTY' })
  })

  it.each([
    ['another type', { 'content-type': 'text/plain' }],
    ['a type that is none', { 'content-type': 'json' }],
    ['a compressed body', { 'content-type': 'application/json', 'content-encoding': 'gzip' }],
    ['another charset', { 'content-type': 'application/json; charset=latin1' }],
  ])('content: %s', async (_name, headers) => {
    const response = await server.call('/v1/records', { method: 'POST', body: `{"hash":"${hex}"}`, headers })
    expect(await refused(response)).toMatchObject({ code: 'UNSUPPORTED_MEDIA_TYPE', status: 415 })
    expect(await server.stored()).toEqual([])
  })

  it('no body at all', async () => {
    const problem = await refused(await server.call('/v1/records', { method: 'POST' }))
    expect(problem).toMatchObject({ code: 'UNSUPPORTED_MEDIA_TYPE', status: 415 })
    expect(problem.detail).toContain('application/json or application/x-ndjson or application/octet-stream')
  })

  it('a body over the limit, announced or not', async () => {
    const big = Buffer.alloc(32 * 1_048_576 + 32)
    expect(await refused(await post(big, 'application/octet-stream'))).toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      status: 413,
    })
    expect(await refused(await post(Buffer.alloc(9_000_000, ' ')))).toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
    })
    const response = await server.call('/v1/records', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new Blob([Buffer.alloc(8 * 1024 * 1024 + 1, ' ')]).stream(),
      duplex: 'half',
    })
    expect(response.status).toBe(413)
    expect(await server.stored()).toEqual([])
  })
})

describe('a stream that stops', () => {
  it('tells what is stored, and sending the rest from that line on completes it', async () => {
    const hashes = digests(20_000)
    const lines = hexes(hashes).map((each) => `"${each}"`)
    lines[18_000] = '"oops"'
    const problem = await refused(await post(lines.join('\n'), 'application/x-ndjson'))
    expect(problem).toMatchObject({ code: 'INVALID_HASH', status: 400, accepted: 18_000, line: 18_001 })
    expect(hexes(await server.stored()).sort()).toEqual(hexes(hashes.slice(0, 18_000)).sort())
    lines[18_000] = `"${hashes[18_000]!.toString('hex')}"`
    const rest = lines.slice(Number(problem.line) - 1).join('\n')
    expect(await accepted(await post(rest, 'application/x-ndjson'))).toEqual({ accepted: 2_000 })
    expect(hexes(await server.stored()).sort()).toEqual(hexes(hashes).sort())
  })

  it('answers at a bad line although much more is to come', async () => {
    const body = Buffer.concat([Buffer.from('"oops"\n'), Buffer.alloc(20_000_000, `"${hex}"\n`)])
    expect(await refused(await post(body, 'application/x-ndjson'))).toMatchObject({ accepted: 0, line: 1 })
  })
})

/** Sends raw bytes, and gives the socket's whole answer once the server ended the connection. */
async function raw(
  text: string,
  then: (socket: import('node:net').Socket) => void = () => {},
): Promise<string> {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  let answer = ''
  socket.setEncoding('utf8').on('data', (data) => {
    answer += data
  })
  socket.on('error', () => socket.destroy())
  await once(socket, 'connect')
  socket.write(text)
  then(socket)
  await once(socket, 'close')
  return answer
}

const head = async (type: string, length: number) =>
  `POST /v1/records HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${await server.key('ingest')}\r\ncontent-type: ${type}\r\ncontent-length: ${length}\r\n\r\n`

const problemIn = (answer: string) => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))
/** As the same code is told elsewhere. */
const INVALID_REQUEST = {
  type: 'urn:holdfast:problem:invalid-request',
  title: 'Request is not as documented',
  code: 'INVALID_REQUEST',
}

describe('connections that misbehave', () => {
  it('an upload that is broken off stores nothing, and the server goes on', async () => {
    for (const type of ['application/json', 'application/octet-stream']) {
      await raw((await head(type, 64)) + hex.slice(0, 32), (socket) => setImmediate(() => socket.destroy()))
    }
    expect(await accepted(await post(`{"hash":"${hex}"}`))).toMatchObject({ accepted: 1 })
    expect(hexes(await server.stored())).toEqual([hex])
    expect(server.logs()).not.toContain('"level":"error"')
  })

  it('NDJSON that is broken off keeps no more than whole lines', async () => {
    const lines = `"${hex}"\n`.repeat(16_384)
    await raw((await head('application/x-ndjson', lines.length + 100)) + lines, (socket) => {
      until(async () => (await server.stored()).length > 0, { what: 'the first slice' }).then(() =>
        socket.destroy(),
      )
    })
    expect(await server.stored()).toHaveLength(16_384)
  })

  it('a body that does not come in time gets 408', async () => {
    const answer = await raw(`${await head('application/octet-stream', 64)}too little`)
    expect(answer).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/)
    expect(problemIn(answer)).toMatchObject({ status: 408, code: 'TOO_SLOW' })
    expect(answer).toContain('content-type: application/problem+json')
    expect(await server.stored()).toEqual([])
  })

  it('what is not HTTP gets 400', async () => {
    const answer = await raw('hello\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(problemIn(answer)).toMatchObject({ status: 400, ...INVALID_REQUEST })
  })

  it('headers that are too large get 431', async () => {
    const answer = await raw(`GET /livez HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(40_000)}\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 431 /)
    expect(problemIn(answer)).toMatchObject({ status: 431, code: 'HEADERS_TOO_LARGE' })
  })
})

describe('paths and methods', () => {
  it('an unknown path is 404', async () => {
    expect(await refused(await server.call('/v1/nothing?x=1'))).toMatchObject({
      code: 'NOT_FOUND',
      status: 404,
      detail: 'There is nothing at /v1/nothing.',
    })
    expect(await refused(await server.call('/v1/records/%zz'))).toMatchObject({ code: 'INVALID_REQUEST' })
  })

  it('another method is 405 with what is allowed', async () => {
    for (const [path, method, allow] of [
      ['/v1/records', 'GET', 'POST'],
      ['/v1/records', 'PUT', 'POST'],
      [`/v1/records/${hex}`, 'DELETE', 'GET'],
      ['/livez', 'POST', 'GET'],
    ] as const) {
      const response = await server.call(path, { method })
      expect(response.headers.get('allow')).toContain(allow)
      expect(await refused(response)).toMatchObject({ code: 'METHOD_NOT_ALLOWED', status: 405 })
    }
  })
})
