import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createJsonRpc, RpcAnswerError, RpcTransportError } from 'holdfast-client/json-rpc'
import { afterEach, describe, expect, it } from 'vitest'

let server: Server | undefined
afterEach(
  () =>
    new Promise<void>((resolve) => {
      if (server === undefined) return resolve()
      server.closeAllConnections()
      server.close(() => resolve())
      server = undefined
    }),
)

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** A client of a server that answers its first call (id 1) so. */
async function clientOf(handler: Handler, limits: { timeoutMs?: number; maxAnswerBytes?: number } = {}) {
  server = createServer(handler)
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/key`
  return createJsonRpc({ url, timeoutMs: 5_000, ...limits })
}

async function ask(handler: Handler, limits?: { timeoutMs?: number; maxAnswerBytes?: number }) {
  return (await clientOf(handler, limits)).call('eth_chainId', [])
}

const answer =
  (body: string | Buffer, status = 200, headers: Record<string, string> = {}): Handler =>
  (_request, response) => {
    response.writeHead(status, headers)
    response.end(body)
  }

describe('a result', () => {
  const good: Record<string, Handler> = {
    'as the standard has it': answer('{"jsonrpc":"2.0","id":1,"result":"0x1"}'),
    'beside "error": null': answer('{"jsonrpc":"2.0","id":1,"result":"0x1","error":null}'),
    'beside an empty error': answer('{"id":1,"result":"0x1","error":{}}'),
    'beside an error without code and message': answer(
      '{"id":1,"result":"0x1","error":{"code":0,"message":""}}',
    ),
    'with its id as text': answer('{"jsonrpc":"2.0","id":"1","result":"0x1"}'),
    'without jsonrpc': answer('{"id":1,"result":"0x1"}'),
    'after a byte-order mark': answer('\ufeff{"id":1,"result":"0x1"}'),
    'within white space': answer('\r\n\t {"id":1,\n"result":"0x1"} \n\n'),
    'as a batch of one': answer('[{"id":1,"result":"0x1"}]'),
    'under HTTP 404': answer('{"id":1,"result":"0x1"}', 404),
    'under HTTP 500': answer('{"id":1,"result":"0x1"}', 500),
    'as text/html': answer('{"id":1,"result":"0x1"}', 200, { 'content-type': 'text/html' }),
  }
  for (const [how, handler] of Object.entries(good)) {
    it(`is taken ${how}`, async () => {
      expect(await ask(handler)).toBe('0x1')
    })
  }

  it('may be null', async () => {
    expect(await ask(answer('{"id":1,"result":null,"error":null}'))).toBeNull()
  })

  const bad: Record<string, [Handler, RegExp]> = {
    "of another request's id": [answer('{"id":2,"result":"0x1"}'), /another request/],
    'without an id': [answer('{"result":"0x1"}'), /not JSON-RPC/],
    'that is missing': [answer('{"id":1}'), /./],
    'of a batch of two': [answer('[{"id":1,"result":"0x1"},{"id":1,"result":"0x2"}]'), /not JSON-RPC/],
    'in HTML with status 200': [answer('<html>busy</html>'), /not JSON-RPC/],
    'in an empty body': [answer(''), /not JSON-RPC/],
    'in half an answer': [answer('{"id":1,"result":"0x'), /not JSON-RPC/],
    'behind a redirect': [answer('', 307, { location: '/elsewhere' }), /connection failed/],
  }
  for (const [how, [handler, message]] of Object.entries(bad)) {
    it(`is not taken ${how}`, async () => {
      const error = await ask(handler).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(RpcTransportError)
      expect(error).toMatchObject({ sent: true, message: expect.stringMatching(message) })
    })
  }
})

describe('an answered error', () => {
  it.each([
    ['as the standard has it', '{"id":1,"error":{"code":-32000,"message":"no"}}', -32000, 'no'],
    ['without an id', '{"id":null,"error":{"code":-32000,"message":"no"}}', -32000, 'no'],
    ['with its code as text', '{"id":"1","error":{"code":"-32005","message":"no"}}', -32005, 'no'],
    ['that is only text', '{"id":1,"error":"no"}', 0, 'no'],
    ['without a message', '{"id":1,"error":{"code":7}}', 7, 'an error without a message'],
    ['beside a null result', '{"id":1,"result":null,"error":{"code":-32601,"message":"no"}}', -32601, 'no'],
  ])('is told apart from silence: %s', async (_, body, code, message) => {
    const error = await ask(answer(body, 500)).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(RpcAnswerError)
    expect(error).toMatchObject({ code, message, status: 500 })
  })

  it("of another request's id is none", async () => {
    const error = await ask(answer('{"id":9,"error":{"code":1,"message":"no"}}')).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(RpcTransportError)
  })

  it('is kept short, however long it is', async () => {
    const body = JSON.stringify({ id: 1, error: { code: 1, message: 'x'.repeat(1_000_000) } })
    const error = (await ask(answer(body)).catch((thrown: unknown) => thrown)) as Error
    expect(error.message.length).toBe(1_000)
  })

  it('says for how long to wait, in a header or in itself', async () => {
    const body = '{"id":1,"error":{"code":-32005,"message":"limit","data":{"rate":{"backoff_seconds":30}}}}'
    expect(await ask(answer(body)).catch((e: unknown) => e)).toMatchObject({ retryAfterMs: 30_000 })
    const withHeader = answer(body, 429, { 'retry-after': '2' })
    expect(await (await clientOf(withHeader)).call('x', []).catch((e: unknown) => e)).toMatchObject({
      retryAfterMs: 2_000,
      status: 429,
    })
  })
})

describe('no answer', () => {
  it('within the time is unknown, however the endpoint keeps the connection busy', async () => {
    const drip: Handler = (_request, response) => {
      const timer = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(timer))
    }
    const error = await ask(drip, { timeoutMs: 200 }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ sent: true, timedOut: true, message: 'no answer within 200 ms' })
  })

  it('that is too long is cut off, and the connection with it', async () => {
    let written = 0
    let ended = false
    const flood: Handler = (_request, response) => {
      response.on('close', () => {
        ended = true
      })
      const more = () => {
        if (ended) return
        written += 65_536
        if (response.write(Buffer.alloc(65_536, 0x20))) setImmediate(more)
        else response.once('drain', more)
      }
      more()
    }
    const error = await ask(flood, { maxAnswerBytes: 1_000_000 }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ sent: true, message: 'its answer is too long' })
    await expect.poll(() => ended).toBe(true)
    expect(written).toBeLessThan(50_000_000)
  })

  it('for lack of a connection is known not to be sent', async () => {
    const client = await clientOf(answer(''))
    await new Promise<void>((resolve) => server!.close(() => resolve()))
    const error = await client.call('eth_chainId', []).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ sent: false, message: 'ECONNREFUSED' })
  })

  it('because the connection broke is unknown', async () => {
    const error = await ask((request) => request.destroy()).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ sent: true })
    expect((error as Error).message).not.toContain('127.0.0.1')
  })

  it('comes after closing, at once', async () => {
    const client = await clientOf(() => undefined)
    const pending = client.call('eth_chainId', []).catch((thrown: unknown) => thrown)
    client.close()
    expect(await pending).toBeInstanceOf(RpcTransportError)
    await expect(client.call('eth_chainId', [])).rejects.toMatchObject({ sent: false })
  })
})

describe('an endpoint', () => {
  it('gets user and password of its URL as a header', async () => {
    let seen: string | undefined
    server = createServer((request, response) => {
      seen = request.headers.authorization
      response.end('{"id":1,"result":"0x1"}')
    })
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const client = createJsonRpc({ url: `http://us%40er:p%C3%A4ss@127.0.0.1:${port}`, timeoutMs: 5_000 })
    await client.call('eth_chainId', [])
    expect(seen).toBe(`Basic ${Buffer.from('us@er:päss').toString('base64')}`)
  })

  it.each(['ftp://a', 'a', ''])('is not %j', (url) => {
    expect(() => createJsonRpc({ url, timeoutMs: 1 })).toThrow(TypeError)
  })
})
