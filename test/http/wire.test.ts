import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../support/wait.ts'
import { openRaw } from './hostile-client.ts'
import { type ServerUnderTest, startServer } from './server-under-test.ts'

const HASH = 'ab'.repeat(32)
const BODY = `{"hash":"${HASH}"}`

let server: ServerUnderTest
let key: string
beforeAll(async () => {
  server = await startServer()
  key = await server.key('ingest')
})
afterAll(() => server.close())

type Answer = { status: number; headers: string; problem: Record<string, unknown> }

/** The answers on a connection, in order; those with a body have a Content-Length. */
function answersIn(text: string): Answer[] {
  const answers: Answer[] = []
  let rest = text
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n')
    const headers = rest.slice(0, end).toLowerCase()
    const length = Number(/content-length: (\d+)/.exec(headers)?.[1] ?? 0)
    const body = rest.slice(end + 4, end + 4 + length)
    answers.push({
      status: Number(headers.slice(9, 12)),
      headers,
      problem: body === '' ? {} : JSON.parse(body),
    })
    rest = rest.slice(end + 4 + length)
  }
  return answers
}

/** Sends the text at once, and gives the answers when the server has closed the connection. */
async function exchange(text: string): Promise<Answer[]> {
  const connection = await openRaw(server.url)
  connection.socket.write(text, 'latin1')
  connection.socket.setTimeout(10_000, () => connection.socket.destroy())
  await connection.closed
  return answersIn(connection.answer())
}

const head = (lines: string[], line = 'POST /v1/records HTTP/1.1') =>
  [line, 'host: x', `authorization: Bearer ${key}`, 'content-type: application/json', ...lines, '', ''].join(
    '\r\n',
  )
const push = (extra: string[] = []) => head([`content-length: ${BODY.length}`, ...extra]) + BODY
const chunked = (chunks: string) => head(['transfer-encoding: chunked']) + chunks

function expectProblem(answer: Answer | undefined, status: number, code: string): void {
  expect(answer).toMatchObject({ status, problem: { status, code } })
  expect(answer!.headers).toContain('content-type: application/problem+json')
  expect(answer!.headers).toContain('connection: close')
}

describe('in a pipeline', () => {
  const broken: [string, string | (() => string)][] = [
    ['garbage', 'garbage\r\n\r\n'],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['a body with a bad chunk', () => chunked('zz\r\n{}\r\n0\r\n\r\n')],
    ['a header without a name', 'GET /livez HTTP/1.1\r\nhost: x\r\n: y\r\n\r\n'],
    ['two lengths', `POST /v1/records HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n`],
  ]

  it.each(broken)('a push keeps its own answer when %s follows it at once', async (_name, text) => {
    // The first commit of a fresh key waits for two round trips to the database, so the garbage is read long before.
    key = await server.key('ingest')
    const answers = await exchange(push() + push() + (typeof text === 'string' ? text : text()))
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 400])
    expectProblem(answers[2], 400, 'INVALID_REQUEST')
  })

  it('a push keeps its own answer when the commit takes its time', async () => {
    const commits = await server.holdCommits()
    const connection = await openRaw(server.url)
    connection.socket.write(`${push()}garbage\r\n\r\n`)
    await commits.waiting()
    expect(connection.answer()).toBe('')
    await commits.free()
    await connection.closed
    expect(answersIn(connection.answer()).map(({ status }) => status)).toEqual([202, 400])
  })

  it('a body that breaks off within its chunks is answered for itself, once', async () => {
    for (const type of ['application/json', 'application/octet-stream', 'application/x-ndjson']) {
      const text = chunked('40\r\nab').replace('application/json', type)
      const answers = await exchange(`${text}\r\nzz\r\n`.padEnd(400, 'z'))
      expect(answers.map(({ status }) => status)).toEqual([400])
    }
  })
})

describe('methods', () => {
  it.each(['BREW', 'PROPFIND', 'TRACE', 'DELETE', 'PURGE', 'QUERY', 'M-SEARCH', 'get'])(
    '%s is 405 with Allow',
    async (method) => {
      const [answer] = await exchange(
        `${method} /v1/records HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
      )
      expectProblem(answer, 405, 'METHOD_NOT_ALLOWED')
      expect(answer!.headers).toContain('allow: post')
      const [other] = await exchange(
        `${method} /v1/batches/7?x=1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
      )
      expect(other!.headers).toContain('allow: get, head')
    },
  )

  it('none is possible where there is nothing', async () => {
    for (const method of ['BREW', 'PROPFIND', 'GET']) {
      const [answer] = await exchange(`${method} /v1/none HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
      expectProblem(answer, 404, 'NOT_FOUND')
    }
  })

  it('CONNECT is 405', async () => {
    const [answer] = await exchange('CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n\r\n')
    expectProblem(answer, 405, 'METHOD_NOT_ALLOWED')
  })
})

describe('requests that no route sees', () => {
  it.each([
    ['without Host', 'GET /livez HTTP/1.1\r\n\r\n', 400, 'INVALID_REQUEST'],
    ['of another version', 'GET /livez HTTP/9.9\r\nhost: x\r\n\r\n', 505, 'HTTP_VERSION_NOT_SUPPORTED'],
    ['that are HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, 'HTTP_VERSION_NOT_SUPPORTED'],
    [
      'with an unknown expectation',
      'GET /livez HTTP/1.1\r\nhost: x\r\nexpect: tea\r\n\r\n',
      417,
      'EXPECTATION_FAILED',
    ],
    [
      'with large headers',
      `GET /livez HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`,
      431,
      'HEADERS_TOO_LARGE',
    ],
    ['with a long path', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
    [
      'with a length that is none',
      'POST /v1/verify HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n',
      400,
      'INVALID_REQUEST',
    ],
    [
      'with chunks and a length',
      'POST /v1/verify HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'INVALID_REQUEST',
    ],
  ])('%s are told so in a problem document', async (_name, text, status, code) => {
    expectProblem((await exchange(text))[0], status, code)
  })

  it('of HTTP/1.0 need no Host', async () => {
    const [answer] = await exchange('GET /livez HTTP/1.0\r\n\r\n')
    expect(answer!.status).toBe(200)
  })
})

describe('Expect: 100-continue', () => {
  async function begin(lines: string[], path = '/v1/records', type = 'application/json') {
    const connection = await openRaw(server.url)
    const text = head(['expect: 100-continue', ...lines], `POST ${path} HTTP/1.1`)
    connection.socket.write(text.replace('application/json', type))
    await until(() => connection.answer() !== '', { what: 'an answer' })
    return connection
  }

  it('is told to go on when the body is wanted, and answered', async () => {
    const connection = await begin([`content-length: ${BODY.length}`])
    expect(connection.answer()).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    connection.socket.write(BODY)
    await until(() => connection.answer().includes('"accepted":1'), { what: 'the answer' })
    expect(connection.answer()).not.toMatch(/connection: close/i)
    connection.socket.destroy()
  })

  it('is told at once when it is not wanted: too large, of another type, without a key, to nowhere', async () => {
    const large = await begin([`content-length: ${2 ** 40}`])
    expectProblem(answersIn(large.answer())[0], 413, 'PAYLOAD_TOO_LARGE')
    const typed = await begin(['content-length: 4'], '/v1/records', 'text/plain')
    expectProblem(answersIn(typed.answer())[0], 415, 'UNSUPPORTED_MEDIA_TYPE')
    const nowhere = await begin(['content-length: 4'], '/v1/nowhere')
    expectProblem(answersIn(nowhere.answer())[0], 404, 'NOT_FOUND')
    key = 'hf_none'
    const stranger = await begin(['content-length: 4'])
    expectProblem(answersIn(stranger.answer())[0], 401, 'UNAUTHORIZED')
    key = await server.key('ingest')
    for (const { closed, socket } of [large, typed, nowhere, stranger]) {
      socket.end()
      await closed
    }
  })
})

describe('a body that is refused', () => {
  it.each([
    ['with a length', false],
    ['in chunks', true],
  ])(
    '%s is read on, so that a client that sends all before it reads gets the answer',
    async (_name, inChunks) => {
      const connection = await openRaw(server.url)
      const length = 40 * 1024 * 1024
      const { socket } = connection
      socket.pause()
      const lines = [
        inChunks ? 'transfer-encoding: chunked' : `content-length: ${length}`,
        'content-type: application/octet-stream',
      ]
      socket.write(head(lines).replace('content-type: application/json\r\n', ''))
      const piece = Buffer.alloc(1024 * 1024)
      for (let sent = 0; sent < length; sent += piece.length) {
        if (inChunks) socket.write(`${piece.length.toString(16)}\r\n`)
        const more = socket.write(piece)
        if (inChunks) socket.write('\r\n')
        if (!more) await Promise.race([once(socket, 'drain'), once(socket, 'close')])
        expect(socket.destroyed).toBe(false)
      }
      if (inChunks) socket.write('0\r\n\r\n')
      socket.resume()
      await until(() => connection.status(), { what: 'the answer' })
      expect(connection.status()).toBe(413)
      // The next request on the connection is found.
      socket.write('GET /livez HTTP/1.1\r\nhost: x\r\n\r\n')
      await until(() => connection.answer().includes('"status":"ok"'), { what: 'the next answer' })
      socket.destroy()
    },
  )
})
