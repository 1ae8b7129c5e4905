import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HttpDeps } from '../../src/http/deps.ts'
import { MAX_OPEN_BYTES } from '../../src/http/records/body.ts'
import { hashApiKey, type Source } from '../../src/store/intake/sources.ts'
import { until } from '../support/wait.ts'
import { openRaw, type RawConnection, type RawRequest, writeAll } from './hostile-client.ts'
import { type ServerUnderTest, startServer } from './server-under-test.ts'

const HASH = 'ab'.repeat(32)
const JSON_TYPE = 'application/json'
const OCTETS = 'application/octet-stream'

let server: ServerUnderTest
let connections: RawConnection[]
beforeEach(async () => {
  connections = []
  server = await startServer()
})
afterEach(async () => {
  for (const { socket } of connections) socket.destroy()
  await server.close()
})

async function restart(options: Parameters<typeof startServer>[0]): Promise<void> {
  await server.close()
  server = await startServer(options)
}

/** A request that stops in the middle of its body. */
async function begin(
  request: RawRequest & { body?: Buffer | string; from?: string },
): Promise<RawConnection> {
  const connection = await openRaw(server.url, request.from)
  connections.push(connection)
  connection.head(request)
  if (request.body) await writeAll(connection.socket, Buffer.from(request.body))
  return connection
}

const post = (path: string, body: string | Buffer, key: string | null = null, type = JSON_TYPE) =>
  server.call(path, { method: 'POST', body, key, headers: { 'content-type': type } })

/** By the time that a request is answered, the server has read what came before it on other connections. */
const caughtUp = async () => expect((await server.call('/livez')).status).toBe(200)

describe('bodies that are announced and do not come', () => {
  it('refuse nobody: room is for what is held', async () => {
    const key = await server.key('ingest')
    for (let n = 0; n < 64; n++) {
      await begin({ path: '/v1/records', type: OCTETS, key, length: 32 * 1024 * 1024, body: 'x' })
    }
    for (let n = 0; n < 64; n++) {
      const path = n % 2 === 0 ? '/v1/verify' : '/v1/receipts'
      await begin({ path, type: JSON_TYPE, length: MAX_OPEN_BYTES, body: '{' })
    }
    await caughtUp()
    expect((await post('/v1/verify', `{"hash":"${HASH}"}`)).status).toBe(200)
    expect((await post('/v1/receipts', `{"hashes":["${HASH}"]}`)).status).toBe(200)
    for (const pushing of [key, await server.key('ingest')]) {
      const pushed = await post('/v1/records', Buffer.alloc(32 * 1024 * 1024, 1), pushing, OCTETS)
      expect(pushed.status).toBe(202)
    }
    expect(connections.filter(({ answer }) => answer() !== '')).toEqual([])
  })
})

describe('bodies that are held and do not end', () => {
  it('use up the share of their key, and of no other', async () => {
    const bodyLimitBytes = 64 * 1024
    await restart({ settings: { bodyLimitBytes } })
    const key = await server.key('ingest')
    const held = Buffer.alloc(bodyLimitBytes - 1)
    for (let n = 0; n < 8; n++) {
      await begin({ path: '/v1/records', type: OCTETS, key, length: bodyLimitBytes, body: held })
    }
    const refused = await until(() => connections.find(({ status }) => status() !== undefined), {
      what: 'the refusal of what is beyond the share',
    })
    expect(refused.status()).toBe(503)
    expect(refused.answer()).toMatch(/^retry-after: 2\r$/m)
    expect(refused.answer()).toContain('"code":"OVERLOADED"')
    const other = await post('/v1/records', Buffer.alloc(bodyLimitBytes), await server.key('ingest'), OCTETS)
    expect(other.status).toBe(202)
    for (const { socket } of connections) socket.destroy()
    await until(
      async () => (await post('/v1/records', Buffer.alloc(bodyLimitBytes), key, OCTETS)).status === 202,
      {
        what: 'room for the first key',
      },
    )
  })

  it('of strangers use up the share of their address, and of no other', async () => {
    await restart({ settings: { bodyLimitBytes: 1024 } })
    const body = Buffer.alloc(1023, ' ')
    for (let n = 0; n < 140; n++) await begin({ path: '/v1/verify', type: JSON_TYPE, length: 1024, body })
    await until(() => connections.some(({ status }) => status() === 503), { what: 'the refusals' })
    const other = await begin({ path: '/v1/verify', type: JSON_TYPE, length: 1024, body, from: '127.0.0.2' })
    other.socket.write('x')
    await until(() => other.status(), { what: 'the answer to another address' })
    expect(other.status()).toBe(400)
  })

  it('may be no larger than 128 KiB where no key is needed; 1,000 hashes are far less', async () => {
    const refused = await post('/v1/verify', JSON.stringify({ record: 'x'.repeat(MAX_OPEN_BYTES) }))
    expect(refused.status).toBe(413)
    expect(await refused.json()).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
    const many = await post(
      '/v1/receipts',
      JSON.stringify({ hashes: Array(1_000).fill(`0x${HASH}`) }, null, 2),
    )
    expect(many.status).toBe(200)
    await many.text()
    await restart({ settings: { bodyLimitBytes: 2048 } })
    expect((await post('/v1/verify', JSON.stringify({ record: 'x'.repeat(4096) }))).status).toBe(413)
  })
})

describe('look-ups', () => {
  const asks = (request: RawRequest, from: string) => begin({ method: 'GET', length: 0, ...request, from })

  it('of unknown keys from one address hold up neither another address nor a key that was valid before', async () => {
    const waiting = new Map<string, (source: Source | null) => void>()
    const valid = hashApiKey('hf_valid').toString('hex')
    const source: Source = { id: 1, name: 'auditor', scopes: ['audit'] }
    let now = 0
    await restart({
      clock: { now: () => now },
      replace: {
        findSource: (hash) => new Promise((resolve) => waiting.set(hash.toString('hex'), resolve)),
      },
    })
    const first = await asks({ path: '/v1/status', key: 'hf_valid' }, '127.0.0.2')
    ;(await until(() => waiting.get(valid), { what: 'the look-up' }))(source)
    await until(() => first.status() === 200, { what: 'the answer' })
    waiting.clear()
    now += 60_000
    const strangers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => asks({ path: '/v1/status', key: `hf_${i}` }, '127.0.0.2')),
    )
    await until(() => strangers.filter(({ status }) => status() === 503).length === 52, {
      what: 'the refusals',
    })
    expect(waiting.size).toBe(48)
    await asks({ path: '/v1/status', key: 'hf_other' }, '127.0.0.3')
    await until(() => waiting.size === 49, { what: 'the look-up for the other address' })
    await asks({ path: '/v1/status', key: 'hf_valid' }, '127.0.0.2')
    await until(() => waiting.has(valid), { what: 'the look-up of the key that was valid' })
    for (const resolve of waiting.values()) resolve(null)
  })

  it('of records from one address leave some to another', async () => {
    const unknown = { kind: 'unknown', unsearched: null } as const
    let asked = 0
    let open: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const wait = async () => {
      asked++
      await gate
      return unknown
    }
    await restart({
      replace: {
        prover: {
          record: wait,
          receipt: wait,
          receipts: () => Promise.reject(new Error('not asked')) as never,
        },
      },
    })
    const path = `/v1/records/${HASH}`
    const greedy = await Promise.all(Array.from({ length: 800 }, () => asks({ path }, '127.0.0.2')))
    await until(() => asked === 768 && greedy.filter(({ status }) => status() === 503).length === 32, {
      what: 'the share of the first address',
    })
    await asks({ path: `${path}/receipt` }, '127.0.0.3')
    await until(() => asked === 769, { what: 'the look-up for the other' })
    open()
    await until(() => greedy.every(({ status }) => status() !== undefined), { what: 'all answers' })
  })
})

describe('a least rate', () => {
  const leastRate = { bytes: 4_000, windowMs: 400 }

  it.each([
    { path: '/v1/records', type: JSON_TYPE },
    { path: '/v1/records', type: OCTETS },
    { path: '/v1/records', type: 'application/x-ndjson' },
    { path: '/v1/verify', type: JSON_TYPE },
    { path: '/v1/receipts', type: JSON_TYPE },
    { path: '/v1/nowhere', type: JSON_TYPE },
    { path: '/livez', type: JSON_TYPE, method: 'GET' },
  ])('ends a $type body that trickles to $path', async ({ path, type, method = 'POST' }) => {
    await restart({ settings: { leastRate } })
    const key = path === '/v1/records' ? await server.key('ingest') : undefined
    const connection = await begin({ method, path, type, key, length: 200 })
    const trickle = setInterval(() => connection.socket.write(' '), 20)
    try {
      await Promise.race([
        connection.closed,
        until(() => connection.status() === 408, { what: 'the end of it', within: 8_000 }),
      ])
    } finally {
      clearInterval(trickle)
    }
    if (method === 'POST' && path !== '/v1/nowhere') {
      expect(connection.answer()).toContain('"code":"TOO_SLOW"')
      expect(connection.answer()).toMatch(/^connection: close\r$/im)
    }
  })

  it('tells how far NDJSON came', async () => {
    await restart({ settings: { leastRate } })
    const key = await server.key('ingest')
    const connection = await begin({ path: '/v1/records', type: 'application/x-ndjson', key, body: '' })
    connection.socket.write(`${(67 * 2).toString(16)}\r\n${`"${HASH}"\n`.repeat(2)}\r\n`)
    await until(() => connection.status(), { what: 'an answer' })
    expect(connection.status()).toBe(408)
    expect(connection.answer()).toMatch(/"line":3,"accepted":2/)
    expect(await server.stored()).toHaveLength(2)
  })

  it('lets a body go on that keeps to it', async () => {
    await restart({ settings: { leastRate: { bytes: 1_000, windowMs: 300 } } })
    const key = await server.key('ingest')
    const connection = await begin({ path: '/v1/records', type: OCTETS, key, length: 32 * 1_000 })
    const piece = Buffer.alloc(800, 1)
    let sent = 0
    const timer = setInterval(() => {
      if (sent === 40) clearInterval(timer)
      else connection.socket.write(piece)
      sent++
    }, 30)
    await until(() => connection.status(), { what: 'an answer' })
    expect(connection.status()).toBe(202)
  })
})

describe('a record', () => {
  const tooLong = (bytes: number) => JSON.stringify('x'.repeat(bytes - 1))

  it.each([
    ['alone', (bytes: number) => `{"record":${tooLong(bytes)}}`, JSON_TYPE, {}],
    ['among records', (bytes: number) => `{"records":[1,${tooLong(bytes)}]}`, JSON_TYPE, { index: 1 }],
    [
      'in a line',
      (bytes: number) => `{"record":1}\n{"record":${tooLong(bytes)}}\n`,
      'application/x-ndjson',
      { line: 2 },
    ],
  ])('%s may have as many bytes as the limit says, and no more', async (_name, body, type, where) => {
    await restart({ settings: { recordLimitBytes: 2_000 } })
    const key = await server.key('ingest')
    expect((await post('/v1/records', body(1_999), key, type)).status).toBe(202)
    const refused = await post('/v1/records', body(2_000), key, type)
    expect(refused.status).toBe(413)
    expect(await refused.json()).toMatchObject({ code: 'PAYLOAD_TOO_LARGE', ...where })
  })

  it('is measured in UTF-8, blanks included', async () => {
    await restart({ settings: { recordLimitBytes: 2_000 } })
    const key = await server.key('ingest')
    const refused = await post('/v1/records', `{"record":"${'é'.repeat(1_000)}"}`, key)
    expect(refused.status).toBe(413)
    expect((await post('/v1/records', `{"record":"${'é'.repeat(999)}"}`, key)).status).toBe(202)
    expect((await post('/v1/records', `{"record":[${' '.repeat(2_000)}]}`, key)).status).toBe(413)
  })
})

describe('NDJSON', () => {
  it('takes room by what it holds, so that hundreds of bodies may arrive at once', async () => {
    const key = await server.key('ingest')
    const line = `"${HASH}"\n`
    for (let n = 0; n < 300; n++) {
      await begin({
        path: '/v1/records',
        type: 'application/x-ndjson',
        length: line.length,
        key,
        body: line.slice(0, 9),
      })
    }
    await caughtUp()
    for (const { socket } of connections) socket.write(line.slice(9))
    await until(() => connections.every(({ status }) => status() !== undefined), { what: 'all answers' })
    expect(new Set(connections.map(({ status }) => status()))).toEqual(new Set([202]))
    expect(await server.stored()).toHaveLength(300)
  })
})

describe('readers of many receipts', () => {
  /** Answers without end, each large, so that no buffer on the way holds more than a few. */
  const endless: HttpDeps['prover'] = {
    record: async () => ({ kind: 'unknown', unsearched: null }),
    receipt: async () => ({ kind: 'unknown', unsearched: null }),
    async *receipts() {
      for (;;) yield { hash: `0x${HASH}`, status: 'sealed', padding: 'x'.repeat(100_000) } as never
    },
  }
  const body = JSON.stringify({ hashes: [HASH] })
  /** Asks, and reads no more than the beginning of the answer. */
  const ask = async (from: string) => {
    const reader = await begin({ path: '/v1/receipts', type: JSON_TYPE, length: body.length, body, from })
    reader.socket.once('data', () => reader.socket.pause())
    return reader
  }
  /** Sixteen readers of two addresses, which is as many as there are slots. */
  const sixteen = async () => [
    ...(await Promise.all(Array.from({ length: 12 }, () => ask('127.0.0.2')))),
    ...(await Promise.all(Array.from({ length: 3 }, () => ask('127.0.0.3')))),
  ]
  const isServed = async () => {
    const answer = await post('/v1/receipts', body)
    await answer.body?.cancel()
    return answer.status === 200
  }

  it('of one address leave slots to others', async () => {
    await restart({ replace: { prover: endless } })
    const greedy = await Promise.all(Array.from({ length: 14 }, () => ask('127.0.0.2')))
    await until(() => greedy.every(({ status }) => status() !== undefined), { what: 'their answers' })
    expect(greedy.filter(({ status }) => status() === 200)).toHaveLength(12)
    const refused = greedy.find(({ status }) => status() === 503)
    expect(refused!.answer()).toMatch(/^retry-after: 2\r$/m)
    expect(await isServed()).toBe(true)
  })

  it('that read too slowly are cut off, and their slots are free', async () => {
    await restart({ replace: { prover: endless }, settings: { leastRate: { bytes: 10_000, windowMs: 300 } } })
    const readers = await sixteen()
    await until(() => readers.every(({ answer }) => answer() !== ''), { what: 'their answers' })
    await until(isServed, { what: 'a slot' })
    expect(await server.metrics()).toMatch(/holdfast_http_slow_clients_total\{direction="out"\} [1-9]/)
  })

  it('that leave before their first answer take no slot with them', async () => {
    let asked = 0
    let open: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const slow: HttpDeps['prover'] = {
      ...endless,
      async *receipts() {
        asked++
        await gate
        yield { hash: `0x${HASH}`, status: 'sealed' }
      },
    }
    await restart({ replace: { prover: slow } })
    const readers = await sixteen()
    await until(() => asked === 15, { what: 'all of them' })
    expect((await post('/v1/receipts', body)).status).toBe(503)
    for (const { socket } of readers) socket.destroy()
    await Promise.all(readers.map(({ closed }) => closed))
    await caughtUp()
    open()
    const answers = await Promise.all(Array.from({ length: 12 }, () => post('/v1/receipts', body)))
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200))
  })
})
