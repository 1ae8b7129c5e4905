import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

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
  /** Another request's answer; forwarded unless told otherwise. */
  | { kind: 'wrong_id'; forward?: boolean }
  /** The endpoint lags: it knows nothing of the newest blocks. */
  | { kind: 'stale'; blocks: number }
  | { kind: 'error'; code: number; message: string; data?: unknown; forward?: boolean }
  | { kind: 'result'; result: unknown; forward?: boolean }

export type FaultProxy = {
  url: string
  /** Everything asked so far, in order. */
  requests: RpcRequest[]
  count(method: string): number
  /** Decides for each request; undefined lets it through. */
  rule: (request: RpcRequest) => Fault | undefined
  /** Changes the results of requests that are let through. */
  edit?: (request: RpcRequest, result: unknown) => void
  /** Awaited before a request is looked at; the node has seen nothing of it by then. */
  before?: (request: RpcRequest) => Promise<void>
  /** Where requests go; may be changed at any time. */
  target: string
  /** Connections are refused until they are accepted again, on the same port. */
  refuse(): Promise<void>
  accept(): Promise<void>
  close(): Promise<void>
}

/** A JSON-RPC endpoint in front of another, which goes wrong as told. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const server = createServer((request, response) => {
    handle(proxy, request, response).catch(() => response.destroy())
  })
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  await listen(0)
  const { port } = server.address() as AddressInfo
  const proxy: FaultProxy = {
    url: `http://127.0.0.1:${port}`,
    requests: [],
    count: (method) => proxy.requests.filter((request) => request.method === method).length,
    rule: () => undefined,
    target,
    refuse: stop,
    async accept() {
      if (!server.listening) await listen(port)
    },
    close: stop,
  }
  return proxy
}

async function handle(proxy: FaultProxy, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks).toString()
  const request = JSON.parse(body) as RpcRequest
  proxy.requests.push(request)
  await proxy.before?.(request)
  const fault = proxy.rule(request)
  const forward = () => forwardTo(proxy.target, body)
  const answer = (value: object) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ jsonrpc: '2.0', id: request.id, ...value }))
  }
  if (fault === undefined) {
    const text = await forward()
    if (proxy.edit === undefined) return void response.end(text)
    const { result, error } = JSON.parse(text) as { result?: unknown; error?: unknown }
    if (error !== undefined) return answer({ error })
    proxy.edit(request, result)
    return answer({ result })
  }
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
      await pause(fault.ms)
      return void response.end(await forward())
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
      if (fault.forward === false) return answer({ id: request.id + 1_000_000, result: '0x1' })
      return void response.end(JSON.stringify({ ...JSON.parse(await forward()), id: request.id + 1_000_000 }))
    case 'stale':
      return void response.end(await forwardStale(proxy.target, request, fault.blocks))
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

const quantity = (value: number) => `0x${Math.max(0, value).toString(16)}`

/** The answer as it was some blocks ago: heads and tags are older, what came since is not there. */
async function forwardStale(
  target: string,
  { id, method, params }: RpcRequest,
  blocks: number,
): Promise<string> {
  const ask = async (name: string, args: unknown[]) =>
    JSON.parse(
      await forwardTo(target, JSON.stringify({ jsonrpc: '2.0', id, method: name, params: args })),
    ) as { result?: unknown }
  const head = Number((await ask('eth_blockNumber', [])).result) - blocks
  const asOfThen = params.map((param) => (param === 'latest' || param === 'pending' ? quantity(head) : param))
  const answer = await ask(method, asOfThen)
  if (method === 'eth_blockNumber') answer.result = quantity(head)
  else if (method === 'eth_getBlockByNumber') {
    const block = answer.result as { number: string } | null
    if (params[0] === 'finalized' && block !== null) {
      return JSON.stringify(await ask(method, [quantity(Number(block.number) - blocks), params[1]]))
    }
    if (block !== null && Number(block.number) > head) answer.result = null
  } else if (method === 'eth_getTransactionReceipt') {
    const receipt = answer.result as { blockNumber: string } | null
    if (receipt != null && Number(receipt.blockNumber) > head) answer.result = null
  }
  return JSON.stringify(answer)
}
