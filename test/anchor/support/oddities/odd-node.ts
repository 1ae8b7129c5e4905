import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A JSON-RPC answer as the node gave it. */
export type Answer = { jsonrpc?: unknown; id?: unknown; result?: unknown; error?: unknown }

/** One question to an odd node. */
export type Call = {
  id: number
  method: string
  params: unknown[]
  /** How many questions the oddity has seen, this one included. */
  count: number
  /** The same of this method only. */
  countOfMethod: number
  /** What the node says. The node may be asked once, several times, or never. */
  forward(): Promise<Answer>
}

export type Reply =
  | { status?: number; headers?: Record<string, string>; body: string | Buffer }
  /** The connection breaks; nothing happens; bytes without end. */
  | { fault: 'break' | 'hang' | 'flood' }
  /** A few bytes at a time. */
  | { drip: string }

/** How a node behaves oddly, from its first question on: what it remembers is its own. */
export type Oddity = () => (call: Call) => Reply | Promise<Reply>

export type OddNode = {
  url: string
  /** Null: nothing is odd. Each setting starts anew. */
  behave(oddity: Oddity | null): void
  /** How often the method was asked since then. */
  asked(method: string): number
  close(): Promise<void>
}

/** A node in front of a real one, whose answers are changed on the way. */
export async function startOddNode(target: string): Promise<OddNode> {
  let odd: ReturnType<Oddity> | null = null
  let count = 0
  const counts = new Map<string, number>()
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy())
  })

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const { id, method, params } = JSON.parse(text) as Pick<Call, 'id' | 'method' | 'params'>
    count += 1
    counts.set(method, (counts.get(method) ?? 0) + 1)
    const forward = async () => (await (await post(target, text)).json()) as Answer
    const call = { id, method, params, count, countOfMethod: counts.get(method)!, forward }
    reply(response, odd === null ? await asItIs(call) : await odd(call))
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    behave(oddity) {
      odd = oddity?.() ?? null
      count = 0
      counts.clear()
    },
    asked: (method) => counts.get(method) ?? 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export async function asItIs(call: Call): Promise<Reply> {
  return { body: JSON.stringify(await call.forward()) }
}

function post(url: string, body: string): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
}

function reply(response: ServerResponse, what: Reply): void {
  if ('drip' in what) drip(response, Buffer.from(what.drip))
  else if ('fault' in what) {
    if (what.fault === 'break') response.destroy()
    if (what.fault === 'flood') flood(response)
  } else {
    response.writeHead(what.status ?? 200, { 'content-type': 'application/json', ...what.headers })
    response.end(what.body)
  }
}

function flood(response: ServerResponse): void {
  const more = () => {
    if (response.destroyed) return
    if (response.write(Buffer.alloc(65_536, 0x20))) setImmediate(more)
    else response.once('drain', more)
  }
  more()
}

function drip(response: ServerResponse, bytes: Buffer): void {
  let at = 0
  const more = () => {
    if (response.destroyed) return
    if (at >= bytes.length) return void response.end()
    response.write(bytes.subarray(at, at + 7))
    at += 7
    setImmediate(more)
  }
  more()
}
