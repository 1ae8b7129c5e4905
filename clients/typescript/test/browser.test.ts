import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createServed, type Served } from '../../../test/e2e/served.ts'
import type { Verification } from '../src/index.ts'
import {
  type Change,
  changed,
  startVectorChain,
  type VectorEndpoint,
  vectors,
} from './support/vector-chain.ts'

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const MOST_BYTES = 40 * 1024

let bundle: string
beforeAll(async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: [fileURLToPath(new URL('../src/index.ts', import.meta.url))],
    bundle: true,
    format: 'iife',
    globalName: 'holdfast',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    write: false,
    metafile: true,
  })
  expect(Object.keys(metafile.inputs).filter((file) => file.startsWith('node:'))).toEqual([])
  bundle = outputFiles[0]!.text
})

describe('the bundle for browsers', () => {
  it('is at most 40 kB, compressed', () => {
    expect(gzipSync(bundle).length).toBeLessThan(MOST_BYTES)
  })

  it("uses none of Node's globals", () => {
    const uses = bundle.matchAll(/(?<![.\w])(?:Buffer\.|process\.|require\(|__dirname|setImmediate\()/g)
    expect([...uses].map(([text]) => text)).toEqual([])
  })
})

const hasChromium = existsSync(CHROMIUM)
describe.skipIf(!hasChromium)(`in Chromium (skipped without ${CHROMIUM})`, { timeout: 180_000 }, () => {
  let served: Served
  let daemonUrl: string
  let front: Server
  let frontUrl: string
  let browser: Browser
  let page: Page

  beforeAll(async () => {
    served = await createServed()
    daemonUrl = (await served.start()).url
    front = await startFront(() => daemonUrl)
    frontUrl = `http://127.0.0.1:${(front.address() as AddressInfo).port}`
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] })
    page = await browser.newPage()
    await page.goto(frontUrl)
    await page.addScriptTag({ content: bundle })
  }, 180_000)
  afterAll(async () => {
    await browser?.close()
    front?.closeAllConnections()
    front?.close()
    await served?.close()
  })

  it('pushes, fetches and verifies', async () => {
    const record = { id: 1, salt: randomBytes(8).toString('hex') }
    const document = randomBytes(100).toString('hex')
    const given = { url: frontUrl, apiKey: served.apiKey, rpc: served.anvil.url, record, document }
    const result = await page.evaluate(async ({ url, apiKey, rpc, record, document }) => {
      const { createHoldfastClient, verifyReceipt } = holdfast
      const client = createHoldfastClient({ url, apiKey })
      const { hashes } = await client.pushRecords([record])
      const { hash } = await client.pushFile(new Blob([document]))
      const receipt = await client.waitFor(hashes[0] as string, 'anchored', {
        deadlineMs: 60_000,
        pollMs: 200,
      })
      const other = await client.waitFor(hash, 'anchored', { deadlineMs: 60_000, pollMs: 200 })
      const right = await verifyReceipt(receipt, { rpc, record })
      const wrong = await verifyReceipt(receipt, { rpc, record: { ...record, id: 2 } })
      const third = await verifyReceipt(JSON.stringify(other), { rpc: { 31337: rpc }, hash })
      return { hash, right, wrong, third }
    }, given)
    expect(result.hash).toBe(`0x${createHash('sha256').update(document).digest('hex')}`)
    expect(result.right).toMatchObject({ valid: true, verdict: 'anchored' })
    expect(result.wrong).toMatchObject({ valid: false, verdict: 'contradicted', reason: 'subject' })
    expect(result.third).toMatchObject({ valid: true, verdict: 'anchored' })
  })

  it('decides as the vectors say', async () => {
    type Case = Change & {
      name: string
      reason: string | null
      verdict?: string
      options?: object
      require?: number
      endpoints?: VectorEndpoint[]
    }
    for (const one of [...vectors.invalid, ...vectors.chains] as unknown as Case[]) {
      const chain = await startVectorChain(one.endpoints ?? [[]])
      try {
        const options = {
          rpc: { 31337: chain.urls },
          ...(one.require && { require: one.require }),
          ...one.options,
        }
        const given = { receipt: changed(one), options }
        const result: Verification = await page.evaluate(
          ({ receipt, options }) => holdfast.verifyReceipt(receipt, options),
          given,
        )
        expect(result.reason, one.name).toBe(one.reason)
        if (one.verdict !== undefined) expect(result.verdict, one.name).toBe(one.verdict)
      } finally {
        await chain.close()
      }
    }
  })
})

declare const holdfast: typeof import('../src/index.ts')

/** A page, and the daemon under the page's own origin. */
async function startFront(daemon: () => string): Promise<Server> {
  const server = createServer(async (request, response) => {
    if (request.url === '/')
      return response.setHeader('content-type', 'text/html').end('<!doctype html><title>t</title>')
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece as Buffer)
    const { authorization, 'content-type': type } = request.headers
    const answer = await fetch(daemon() + request.url, {
      method: request.method ?? 'GET',
      headers: { ...(authorization && { authorization }), ...(type && { 'content-type': type }) },
      ...(pieces.length > 0 && { body: Buffer.concat(pieces) }),
    })
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' })
    return response.end(Buffer.from(await answer.arrayBuffer()))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return server
}
