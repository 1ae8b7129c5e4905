import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChildRun, runProcess, typescriptArgs } from '../support/process.ts'
import { until } from '../support/wait.ts'
import { oneByteChunks, openRaw, writeAll } from './hostile-client.ts'

const MB = 1_000_000
const CONNECTIONS = 4
const hash = `"${'ab'.repeat(32)}"`

type Usage = { heapUsed: number; arrayBuffers: number; blockedMs: number; cpuMs: number }

let victim: ChildRun
let url: string
beforeAll(async () => {
  victim = runProcess(process.execPath, [
    '--max-old-space-size=64',
    ...typescriptArgs(fileURLToPath(new URL('victim.ts', import.meta.url))),
  ])
  url = (await victim.waitFor(/listening at (\S+)/))[1]!
})
afterAll(async () => {
  victim.kill()
  await victim.exit()
})

async function usage(): Promise<Usage> {
  const answer = await fetch(`${url}/v1/status`, { headers: { authorization: 'Bearer hf_operator' } })
  return (await answer.json()) as Usage
}

const held = ({ heapUsed, arrayBuffers }: Usage) => heapUsed + arrayBuffers

describe('a body in chunks of one byte', () => {
  it.each([
    { path: '/v1/verify', type: 'application/json', body: `{"record":"${'a'.repeat(300_000)}` },
    { path: '/v1/receipts', type: 'application/json', body: `{"hashes":[${`${hash},`.repeat(4_000)}` },
    {
      path: '/v1/records',
      type: 'application/json',
      body: `{"hashes":[${`${hash},`.repeat(4_000)}`,
      key: 'hf_a',
    },
    { path: '/v1/records', type: 'application/octet-stream', body: 'x'.repeat(300_000), key: 'hf_b' },
    { path: '/v1/records', type: 'application/x-ndjson', body: `${hash}\n`.repeat(4_000), key: 'hf_c' },
    {
      path: '/v1/records',
      type: 'application/x-ndjson',
      body: `{"record":"${'a'.repeat(260_000)}`,
      key: 'hf_d',
    },
    { path: '/v1/nowhere', type: 'application/json', body: 'x'.repeat(300_000) },
    { path: '/v1/batches', type: 'text/plain', body: 'x'.repeat(300_000), key: 'hf_e' },
  ])('holds no more than its bytes: $type to $path', async ({ path, type, body, key }) => {
    const before = held(await usage())
    const bytes = oneByteChunks(Buffer.from(body))
    const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => openRaw(url)))
    try {
      await Promise.all(
        connections.map(async (connection) => {
          connection.head({ path, type, key })
          await writeAll(connection.socket, bytes)
        }),
      )
      // Four times 300 kB in blocks that grow, and what the collector has not taken yet.
      await until(async () => held(await usage()) - before < 24 * MB, { what: 'memory to be bounded' })
      expect((await fetch(`${url}/livez`)).status).toBe(200)
    } finally {
      for (const { socket } of connections) socket.destroy()
    }
  })
})

describe('records that take long to read', () => {
  const member = (i: number) => `"${((i * 2_654_435_761) % 4_294_967_296).toString(36)}":1`
  const record = `{${Array.from({ length: 20_000 }, (_, i) => member(i)).join(',')}}`
  const push = (body: string) =>
    fetch(`${url}/v1/records`, {
      method: 'POST',
      body,
      headers: { authorization: 'Bearer hf_f', 'content-type': 'application/json' },
    })

  it('let other requests be answered between them', async () => {
    const answered: number[] = []
    let done = false
    const pushed = push(`{"records":[${Array(32).fill(record).join(',')}]}`).finally(() => {
      done = true
    })
    while (!done) {
      await fetch(`${url}/livez`)
      answered.push(performance.now())
    }
    expect((await pushed).status).toBe(202)
    expect(answered.length).toBeGreaterThan(8)
  })

  it('of 750,000 keys are refused after a part of them', async () => {
    const before = (await usage()).cpuMs
    const response = await push(
      `{"record":{${Array.from({ length: 750_000 }, (_, i) => member(i)).join(',')}}}`,
    )
    expect(response.status).toBe(413)
    expect((await usage()).cpuMs - before).toBeLessThan(1_000)
  })
})
