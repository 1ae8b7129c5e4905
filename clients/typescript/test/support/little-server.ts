import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Seen = { method: string; path: string; headers: IncomingMessage['headers']; body: Buffer }
export type Reply =
  | { status?: number; headers?: Record<string, string>; json?: unknown; text?: string }
  | 'hang up'

/** A real HTTP server on a free port: `answer` gets each request, numbered from 0; all requests are kept in `seen`. */
export async function startLittleServer(
  answer: (request: Seen, number: number) => Reply | Promise<Reply>,
  { port = 0, afterMs = 0 } = {},
) {
  const seen: Seen[] = []
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = '', url: path = '', headers } = request
    const one = { method, path, headers, body: Buffer.concat(chunks) }
    seen.push(one)
    const reply = await answer(one, seen.length - 1)
    if (reply === 'hang up') {
      request.socket.destroy()
      return
    }
    const isProblem = (reply.status ?? 200) >= 400
    response.writeHead(reply.status ?? 200, {
      'content-type': isProblem ? 'application/problem+json' : 'application/json',
      ...reply.headers,
    })
    response.end(reply.text ?? JSON.stringify(reply.json))
  })
  if (afterMs > 0) await new Promise((done) => setTimeout(done, afterMs))
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}
