import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type RpcRequest = { id: number; method: string; params: unknown[] }

export type Fault =
  /** The node gets the request; the caller's connection breaks instead of an answer. */
  | { kind: 'drop_reply' }
  /** The connection breaks before the node gets anything. */
  | { kind: 'drop_request' }
  /** Nothing happens on the connection until the proxy closes. */
  | { kind: 'hang'; forward?: boolean }
  | { kind: 'delay'; ms: number }
  /** The node gets the request twice. */
  | { kind: 'duplicate' }
  | { kind: 'http'; status: number; headers?: Record<string, string>; body?: string; forward?: boolean }
  | { kind: 'wrong_id' }
  | { kind: 'error'; code: number; message: string; data?: unknown; forward?: boolean }
  | { kind: 'result'; result: unknown; forward?: boolean }

export type FaultProxy = {
  url: string
  /** Everything asked so far, in order. */
  requests: RpcRequest[]
  count(method: string): number
  /** Decides for each request; undefined lets it through. */
  rule: (request: RpcRequest) => Fault | undefined
  /** Where requests go; may be changed at any time. */
  target: string
  close(): Promise<void>
}

/** A JSON-RPC endpoint in front of another, which goes wrong as told. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const server = createServer((request, response) => {
    handle(proxy, request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: FaultProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    count: (method) => proxy.requests.filter((request) => request.method === method).length,
    rule: () => undefined,
    target,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return proxy
}

async function handle(proxy: FaultProxy, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks).toString()
  const request = JSON.parse(body) as RpcRequest
  proxy.requests.push(request)
  const fault = proxy.rule(request)
  const forward = () => forwardTo(proxy.target, body)
  const answer = (value: object) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ jsonrpc: '2.0', id: request.id, ...value }))
  }
  if (fault === undefined) return void response.end(await forward())
  switch (fault.kind) {
    case 'drop_reply':
      await forward()
      return void response.destroy()
    case 'drop_request':
      return void response.destroy()
    case 'hang':
      if (fault.forward) await forward()
      return
    case 'delay':
      setTimeout(() => forward().then((text) => response.end(text)), fault.ms)
      return
    case 'duplicate': {
      const text = await forward()
      await forward()
      return void response.end(text)
    }
    case 'http':
      if (fault.forward) await forward()
      response.writeHead(fault.status, fault.headers)
      return void response.end(fault.body ?? '')
    case 'wrong_id':
      return void response.end(JSON.stringify({ ...JSON.parse(await forward()), id: request.id + 1_000_000 }))
    case 'error': {
      if (fault.forward) await forward()
      const { code, message, data } = fault
      return answer({ error: { code, message, ...(data === undefined ? {} : { data }) } })
    }
    case 'result':
      if (fault.forward) await forward()
      return answer({ result: fault.result })
  }
}

async function forwardTo(target: string, body: string): Promise<string> {
  const response = await fetch(target, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  return response.text()
}
