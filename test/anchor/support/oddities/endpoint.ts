/** A JSON-RPC endpoint in front of a real node that answers as some node or gateway was seen to. */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ChainConfig } from '../../../../src/core/chain-config.ts'

export type Call = { id: unknown; method: string; params: unknown[] }
export type Answer = { result?: unknown; error?: unknown }
/** What goes over the wire instead of a well-formed answer. */
export type Wire = { status?: number; headers?: Record<string, string>; body: string }

export type Oddity = {
  /** A sentence about the endpoint. */
  name: string
  /** Who was seen to answer so. */
  seen: string
  /** Settings that the operator of such a chain has. */
  chain?: Partial<ChainConfig>
  /** Answers a call; `ask` is the real node. Anything else than `Wire` is sent as a well-formed answer. */
  answer(call: Call, ask: (call: Omit<Call, 'id'>) => Promise<Answer>): Promise<Answer | Wire> | Answer | Wire
  /** Default: anchored, and final by the tag. */
  outcome?: 'final by confirmations' | 'not anchored'
}

export type OddEndpoint = {
  url: string
  calls: Call[]
  oddity: Oddity
  close(): Promise<void>
}

export async function startOddEndpoint(target: string, oddity: Oddity): Promise<OddEndpoint> {
  const endpoint: OddEndpoint = { url: '', calls: [], oddity, close: async () => {} }
  const server = createServer((incoming, response) => {
    respond(endpoint, target, incoming).then(
      ({ status = 200, headers, body }) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers })
        response.end(body)
      },
      () => response.destroy(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  endpoint.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  endpoint.close = () =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return endpoint
}

async function respond(endpoint: OddEndpoint, target: string, incoming: IncomingMessage): Promise<Wire> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const call = JSON.parse(Buffer.concat(chunks).toString()) as Call
  endpoint.calls.push(call)
  const ask = async ({ method, params }: Omit<Call, 'id'>): Promise<Answer> => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(target, { method: 'POST', headers, body })
    const { result, error } = (await response.json()) as Answer
    return error === undefined ? { result } : { error }
  }
  const answer = await endpoint.oddity.answer(call, ask)
  return 'body' in answer ? answer : wire(call, answer)
}

/** A well-formed answer as it goes over the wire. */
export function wire({ id }: Pick<Call, 'id'>, answer: object, given: Omit<Wire, 'body'> = {}): Wire {
  return { ...given, body: JSON.stringify({ jsonrpc: '2.0', id, ...answer }) }
}

type Fields = Record<string, unknown>
type Answering = Oddity['answer']

/** Answers these methods with an error. */
export const fails =
  (methods: string | readonly string[], code: number, message: string, data?: unknown): Answering =>
  (call, ask) =>
    [methods].flat().includes(call.method)
      ? { error: { code, message, ...(data === undefined ? {} : { data }) } }
      : ask(call)

/** Answers these methods with this result. */
export const returns =
  (method: string, result: unknown): Answering =>
  (call, ask) =>
    call.method === method ? { result } : ask(call)

/** Changes the fields of these methods' results, where they are objects. */
export const edits =
  (methods: string | readonly string[], edit: (fields: Fields) => Fields | null): Answering =>
  async (call, ask) => {
    const answer = await ask(call)
    const isObject = typeof answer.result === 'object' && answer.result !== null
    if (![methods].flat().includes(call.method) || !isObject) return answer
    return { result: edit({ ...(answer.result as Fields) }) }
  }

/** Changes every text in every result. */
export const rewrites =
  (rewrite: (text: string) => string): Answering =>
  async (call, ask) => {
    const answer = await ask(call)
    const each = (value: unknown): unknown => {
      if (typeof value === 'string') return rewrite(value)
      if (Array.isArray(value)) return value.map(each)
      if (typeof value !== 'object' || value === null) return value
      return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, each(member)]))
    }
    return answer.error === undefined ? { result: each(answer.result) } : answer
  }

/** Answers only the tag `finalized` of `eth_getBlockByNumber` otherwise. */
export const finalizedTag =
  (
    answer: (ask: (call: Omit<Call, 'id'>) => Promise<Answer>, call: Call) => Promise<Answer> | Answer,
  ): Answering =>
  (call, ask) =>
    call.method === 'eth_getBlockByNumber' && call.params[0] === 'finalized' ? answer(ask, call) : ask(call)
