/** Chains that answer as `test/vectors/receipt.json` says; docs/receipt-format.md, "Vectors". */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import vectors from '../../../../test/vectors/receipt.json' with { type: 'json' }

export { vectors }

type RpcAnswer = { method: string; params: unknown[]; result?: unknown; error?: unknown }
/** Answers that differ from `vectors.rpc`, or an endpoint that is down. */
export type VectorEndpoint = RpcAnswer[] | { down: true }

export type VectorChain = {
  urls: string[]
  /** Calls that reached endpoint `i`. */
  calls(i?: number): string[]
  close(): Promise<void>
}

/** An HTTP server per endpoint. One that is down has a port at which nothing listens. */
export async function startVectorChain(endpoints: readonly VectorEndpoint[]): Promise<VectorChain> {
  const started = await Promise.all(endpoints.map(startEndpoint))
  return {
    urls: started.map(({ url }) => url),
    calls: (i = 0) => started[i]!.calls,
    close: async () => void (await Promise.all(started.map(({ close }) => close()))),
  }
}

async function startEndpoint(endpoint: VectorEndpoint) {
  const isDown = 'down' in endpoint
  const answers = isDown ? [] : [...endpoint, ...(vectors.rpc as RpcAnswer[])]
  const calls: string[] = []
  const server = createServer(async (request, response) => {
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('access-control-allow-headers', '*')
    // A browser asks first whether it may.
    if (request.method === 'OPTIONS') return void response.end()
    let text = ''
    for await (const piece of request.setEncoding('utf8')) text += piece
    const { id, method, params } = JSON.parse(text) as { id: number; method: string; params: unknown[] }
    calls.push(method)
    const known = answers.find(
      (one) => one.method === method && JSON.stringify(one.params) === JSON.stringify(params),
    )
    const body = known?.error === undefined ? { result: known?.result ?? null } : { error: known.error }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ jsonrpc: '2.0', id, ...body }))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const close = () => {
    server.closeAllConnections()
    return new Promise<void>((done) => server.close(() => done()))
  }
  if (isDown) await close()
  return { url, calls, close: isDown ? async () => undefined : close }
}

export type Change = { set?: Record<string, unknown>; remove?: string[]; replace?: string[] }

/** The first golden receipt, changed: its value, or its text where the change is one of spelling. */
export function changed({ set, remove, replace }: Change): unknown {
  const copy = structuredClone(vectors.receipts[0]) as object
  for (const [pointer, value] of Object.entries(set ?? {}))
    at(copy, pointer, (holder, key) => (holder[key] = value))
  for (const pointer of remove ?? []) at(copy, pointer, (holder, key) => delete holder[key])
  if (replace === undefined) return copy
  return JSON.stringify(copy).replace(replace[0] as string, () => replace[1] as string)
}

// biome-ignore lint/suspicious/noExplicitAny: a document about to be broken has no type
function at(document: any, pointer: string, change: (holder: any, key: string) => void): void {
  const keys = pointer.split('/').slice(1)
  const last = keys.pop() as string
  change(
    keys.reduce((inner, key) => inner[key], document),
    last,
  )
}
