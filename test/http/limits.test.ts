import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HttpDeps } from '../../src/http/deps.ts'
import { MAX_OPEN_BYTES } from '../../src/http/records/body.ts'
import { until } from '../support/wait.ts'
import { type ServerUnderTest, startServer } from './server-under-test.ts'

const HASH = 'ab'.repeat(32)

let server: ServerUnderTest
let sockets: Socket[]
beforeEach(async () => {
  sockets = []
  server = await startServer()
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  await server.close()
})

/** A request that stops in the middle of its body; what is answered gathers in `answer`. */
async function begin(path: string, options: { type: string; length: number; key?: string; body: string }) {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  sockets.push(socket)
  const request = { socket, answer: '' }
  socket.setEncoding('utf8').on('data', (text) => {
    request.answer += text
  })
  socket.on('error', () => socket.destroy())
  const key = options.key === undefined ? '' : `authorization: Bearer ${options.key}\r\n`
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: x\r\n${key}content-type: ${options.type}\r\ncontent-length: ${options.length}\r\n\r\n${options.body}`,
  )
  return request
}

const post = (path: string, body: string, key: string | null = null) =>
  server.call(path, { method: 'POST', body, key, headers: { 'content-type': 'application/json' } })

describe('bodies that strangers begin and do not end', () => {
  it('fill the room of the open calls, and none of ingest', async () => {
    const key = await server.key('ingest')
    for (let n = 0; n < 40; n++) {
      const path = n % 2 === 0 ? '/v1/verify' : '/v1/receipts'
      await begin(path, { type: 'application/json', length: MAX_OPEN_BYTES, body: '{' })
    }
    await until(() => sockets.filter((socket) => socket.bytesRead > 0).length === 8, {
      what: 'the refusals of those for whom there is no room',
    })
    expect((await post('/v1/verify', `{"hash":"${HASH}"}`)).status).toBe(503)
    const octets = Buffer.alloc(32 * 1024 * 1024, 1)
    const pushed = await server.call('/v1/records', {
      method: 'POST',
      body: octets,
      key,
      headers: { 'content-type': 'application/octet-stream' },
    })
    expect(pushed.status).toBe(202)
  })

  it('may announce no more than all other bodies, where that is less than a mebibyte', async () => {
    await server.close()
    server = await startServer({ settings: { bodyLimitBytes: 2048 } })
    const refused = await post('/v1/verify', JSON.stringify({ record: 'x'.repeat(4096) }))
    expect(refused.status).toBe(413)
  })

  it('may announce no more than a mebibyte; 1,000 hashes are far less', async () => {
    const refused = await post('/v1/verify', JSON.stringify({ record: 'x'.repeat(MAX_OPEN_BYTES) }))
    expect(refused.status).toBe(413)
    expect(await refused.json()).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
    const many = await post('/v1/receipts', JSON.stringify({ hashes: Array(1_000).fill(HASH) }))
    expect(many.status).toBe(200)
    await many.text()
  })
})

describe('NDJSON', () => {
  it('takes room by its length, so that hundreds of short bodies may arrive at once', async () => {
    const key = await server.key('ingest')
    const line = `"${HASH}"\n`
    const requests = await Promise.all(
      Array.from({ length: 300 }, () =>
        begin('/v1/records', {
          type: 'application/x-ndjson',
          length: line.length,
          key,
          body: line.slice(0, 9),
        }),
      ),
    )
    // Asked once all of them are known to be under way: the server takes connections in their order.
    expect((await server.call('/livez')).status).toBe(200)
    for (const { socket } of requests) socket.write(line.slice(9))
    await until(() => requests.every(({ answer }) => answer !== ''), { what: 'all answers' })
    expect(new Set(requests.map(({ answer }) => answer.slice(9, 12)))).toEqual(new Set(['202']))
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
  const read = () => begin('/v1/receipts', { type: 'application/json', length: body.length, body })

  it('are sixteen at once; more are told to come back, and may when one has left', async () => {
    await server.close()
    server = await startServer({ replace: { prover: endless } })
    const readers = await Promise.all(Array.from({ length: 16 }, read))
    await until(() => readers.every(({ answer }) => answer !== ''), { what: 'their answers' })
    for (const { socket } of readers) socket.pause()
    const refused = await post('/v1/receipts', body)
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('2')
    expect(await refused.json()).toMatchObject({ code: 'OVERLOADED' })
    readers[0]!.socket.destroy()
    await until(
      async () => {
        const answer = await post('/v1/receipts', body)
        await answer.body?.cancel()
        return answer.status === 200
      },
      { what: 'a place' },
    )
  })

  it('that read no more are cut off, and their places are free', async () => {
    await server.close()
    server = await startServer({ replace: { prover: endless }, settings: { readerStallMs: 300 } })
    const readers = await Promise.all(Array.from({ length: 16 }, read))
    await until(() => readers.every(({ answer }) => answer !== ''), { what: 'their answers' })
    for (const { socket } of readers) socket.pause()
    await until(
      async () => {
        const answer = await post('/v1/receipts', body)
        await answer.body?.cancel()
        return answer.status === 200
      },
      { what: 'a place' },
    )
  })

  it('that leave before their first answer take no place with them', async () => {
    await server.close()
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
    server = await startServer({ replace: { prover: slow } })
    const readers = await Promise.all(Array.from({ length: 16 }, read))
    await until(() => asked === 16, { what: 'all of them' })
    expect((await post('/v1/receipts', body)).status).toBe(503)
    await Promise.all(
      readers.map(({ socket }) => {
        socket.destroy()
        return once(socket, 'close')
      }),
    )
    // By the time that a later request is answered, the server has seen the end of those connections.
    expect((await server.call('/livez')).status).toBe(200)
    open()
    const answers = await Promise.all(Array.from({ length: 16 }, () => post('/v1/receipts', body)))
    expect(answers.map(({ status }) => status)).toEqual(Array(16).fill(200))
  })
})
