import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HoldfastEvent } from '../../src/http/deps.ts'
import type { Source } from '../../src/store/intake/sources.ts'
import { until } from '../support/wait.ts'
import { openRaw } from './hostile-client.ts'
import { type ServerUnderTest, startServer } from './server-under-test.ts'

const ROOT = `0x${'ab'.repeat(32)}` as const

let server: ServerUnderTest
let open: { close(): void }[]
beforeEach(async () => {
  open = []
  server = await startServer()
})
afterEach(async () => {
  for (const stream of open) stream.close()
  await server.close()
})

const sealed = (batch: number): HoldfastEvent => ({
  type: 'sealed',
  batchId: String(batch),
  leafCount: 3,
  root: ROOT,
})
const anchored = (first: number, last: number): HoldfastEvent => ({
  type: 'anchored',
  anchorId: '1',
  chainId: 'eip155:31337',
  root: ROOT,
  firstBatch: String(first),
  lastBatch: String(last),
  transactionHash: ROOT,
  blockNumber: 12,
})

type Stream = Awaited<ReturnType<typeof listen>>
type Told = { id: string; type: string; data: Record<string, unknown> }

/** @param after sent as Last-Event-ID */
async function listen(options: { key?: string; after?: string; on?: ServerUnderTest } = {}) {
  const abort = new AbortController()
  const response = await (options.on ?? server).call('/v1/events', {
    signal: abort.signal,
    ...(options.key !== undefined && { key: options.key }),
    headers: options.after === undefined ? {} : { 'last-event-id': options.after },
  })
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  const told: Told[] = []
  let at = ''
  let text = ''
  const reading = (async () => {
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
      text += piece
      const blocks = text.split('\n\n')
      text = blocks.pop()!
      for (const block of blocks) {
        at = /^id: (.*)$/m.exec(block)?.[1] ?? at
        const type = /^event: (.*)$/m.exec(block)?.[1]
        if (type !== undefined)
          told.push({ id: at, type, data: JSON.parse(/^data: (.*)$/m.exec(block)![1]!) })
      }
    }
  })().catch(() => undefined)
  const stream = {
    close: () => abort.abort(),
    ended: () => reading,
    /** The id that the client would come back with. */
    at: () => at,
    told,
    hears: (count: number) => until(() => told.length >= count && told, { what: `${count} events` }),
  }
  open.push(stream)
  await until(() => at !== '', { what: 'the first id' })
  return stream
}

describe('GET /v1/events', () => {
  it('tells what happens, to everyone who listens, until they leave', async () => {
    const [first, second] = [await listen(), await listen()]
    server.emit(sealed(7))
    server.emit(anchored(6, 7))
    for (const stream of [first, second]) {
      await stream.hears(2)
      expect(stream.told.map(({ type }) => type)).toEqual(['sealed', 'anchored'])
      expect(stream.told[0]!.data).toEqual({ batchId: '7', leafCount: 3, root: ROOT })
      expect(stream.told[1]!.data).toMatchObject({ anchorId: '1', chainId: 'eip155:31337', firstBatch: '6' })
    }
    expect(new Set(first.told.map(({ id }) => id)).size).toBe(2)
    expect(server.listeners()).toBe(2)
    first.close()
    await until(() => server.listeners() === 1, { what: 'the end of a subscription' })
    second.close()
    await until(() => server.listeners() === 0, { what: 'the end of the other' })
  })

  it('goes on after the last id, without gap and without repetition', async () => {
    const stream = await listen()
    const before = stream.at()
    for (let batch = 1; batch <= 3; batch++) server.emit(sealed(batch))
    const [, second] = await stream.hears(3)
    stream.close()
    server.emit(sealed(4))
    const batches = ({ told }: Stream) => told.map(({ data }) => data.batchId)
    const again = await listen({ after: second!.id })
    await again.hears(2)
    server.emit(sealed(5))
    await again.hears(3)
    expect(batches(again)).toEqual(['3', '4', '5'])
    const fromTheStart = await listen({ after: before })
    await fromTheStart.hears(5)
    expect(batches(fromTheStart)).toEqual(['1', '2', '3', '4', '5'])
  })

  it('says that there may be a gap: after a restart, with an id that was never given, after too many', async () => {
    const other = await startServer()
    const elsewhere = await listen({ on: other })
    const foreign = elsewhere.at()
    elsewhere.close()
    await other.close()
    server.emit(sealed(1))
    for (const after of [foreign, `${foreign}9`, 'x', `${foreign.split('-')[0]}-99`]) {
      const stream = await listen({ after })
      const [gap, event] = await stream.hears(2)
      expect(gap).toMatchObject({ type: 'gap', data: { detail: expect.stringContaining('missed') } })
      expect(event).toMatchObject({ type: 'sealed', data: { batchId: '1' } })
    }
    const stream = await listen()
    const last = stream.at()
    stream.close()
    for (let batch = 2; batch <= 1_002; batch++) server.emit(sealed(batch))
    const late = await listen({ after: last })
    await late.hears(1_001)
    expect(late.told[0]!.type).toBe('gap')
    expect(late.told.slice(1).map(({ data }) => data.batchId)).toEqual(
      Array.from({ length: 1_000 }, (_, i) => String(i + 3)),
    )
    // The gap has an id of its own, so that it is not told again.
    const again = await listen({ after: late.told[0]!.id })
    await again.hears(1_000)
    expect(again.told[0]!.type).toBe('sealed')
  })

  it('tells a producer of the batches that hold its records, and of no other', async () => {
    const [mine, other] = [await server.key('ingest'), await server.key('ingest')]
    const push = async (key: string) => {
      await server.call('/v1/records', {
        method: 'POST',
        key,
        body: '{"record":1}',
        headers: { 'content-type': 'application/json' },
      })
      return (await server.seal()).batchId
    }
    const batches = [await push(mine), await push(other), await push(other), await push(mine)]
    const [stream, auditor] = [await listen({ key: mine }), await listen({ key: await server.key('audit') })]
    for (const batch of batches) server.emit(sealed(batch))
    server.emit(anchored(batches[0]!, batches[1]!))
    server.emit(anchored(batches[1]!, batches[2]!))
    server.emit(anchored(batches[2]!, batches[3]!))
    await auditor.hears(7)
    await stream.hears(4)
    expect(stream.told.map(({ data }) => data.batchId ?? data.firstBatch)).toEqual(
      [batches[0], batches[3], batches[0], batches[2]].map(String),
    )
    const again = await listen({ key: mine, after: stream.told[1]!.id })
    await again.hears(2)
    expect(again.told).toEqual(stream.told.slice(2))
  })

  it('ends for a producer when the database cannot say whose events they are', async () => {
    const stream = await listen({ key: await server.key('ingest') })
    server.databaseAway()
    server.emit(sealed(1))
    await stream.ended()
    server.databaseBack()
    expect(server.logs()).toContain('whose events they are could not be read')
  })

  it('needs the scope audit or ingest', async () => {
    const response = await server.call('/v1/events', { key: null })
    expect(response.status).toBe(401)
  })

  it('cuts off a reader that does not read', async () => {
    const stream = await openRaw(server.url)
    const key = await server.key('audit')
    stream.head({ method: 'GET', path: '/v1/events', key, length: 0 })
    await until(() => stream.answer().includes('connected'), { what: 'the stream' })
    stream.socket.pause()
    const large = Object.assign(sealed(1), { padding: 'x'.repeat(100_000) })
    await until(
      () => {
        for (let i = 0; i < 20; i++) server.emit(large)
        return server.listeners() === 0
      },
      { what: 'the end of its subscription' },
    )
  })

  it('is not begun for one who left while the key was looked up', async () => {
    let known: ((source: Source) => void) | undefined
    const slow = await startServer({
      replace: { findSource: () => new Promise((resolve) => (known = resolve)) },
    })
    try {
      const { hostname, port } = new URL(slow.url)
      const socket = connect(Number(port), hostname)
      socket.write('GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer hf_any\r\n\r\n')
      await until(() => known, { what: 'the look-up' })
      socket.destroy()
      await once(socket, 'close')
      // By the time that a later request is answered, the server has seen the end of this connection.
      expect((await slow.call('/livez')).status).toBe(200)
      known!({ id: 1, name: 'auditor', scopes: ['audit'] })
      expect((await slow.call('/livez')).status).toBe(200)
      expect(slow.listeners()).toBe(0)
    } finally {
      await slow.close()
    }
  })

  it('ends when the server closes', async () => {
    const closing = await startServer()
    const stream = await listen({ on: closing })
    expect(closing.listeners()).toBe(1)
    const startedAt = performance.now()
    await closing.close()
    await stream.ended()
    expect(performance.now() - startedAt).toBeLessThan(4_000)
  })
})
