import { afterEach, describe, expect, it } from 'vitest'
import { createEndpoints, type Endpoints } from '../../src/anchor/rpc/endpoints.ts'
import { noMetrics } from '../../src/core/metrics.ts'
import { systemClock } from '../../src/core/ports.ts'
import { type Fault, type FaultProxy, startFaultProxy } from './support/fault-proxy.ts'
import { createStage, type Stage } from './support/harness.ts'
import { recordingLogger } from './support/recording-logger.ts'

let stage: Stage
let endpoints: Endpoints | undefined
const proxies: FaultProxy[] = []
afterEach(async () => {
  endpoints?.close()
  endpoints = undefined
  await stage.close()
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()))
})

async function behindProxy(rule: FaultProxy['rule'] = () => undefined): Promise<FaultProxy> {
  const proxy = await startFaultProxy(stage.anvil.url)
  proxies.push(proxy)
  proxy.rule = rule
  return proxy
}

function open(rpcUrls: string[], lookMs?: number): Endpoints {
  endpoints = createEndpoints({
    chainId: 31337,
    rpcUrls,
    timeoutMs: 1_000,
    clock: systemClock,
    logger: recordingLogger(),
    metrics: noMetrics,
    ...(lookMs === undefined ? {} : { lookMs }),
  })
  return endpoints
}

const busy = (seconds: number): Fault => ({
  kind: 'http',
  status: 429,
  headers: { 'retry-after': String(seconds) },
})

describe('a look through an endpoint that takes few calls', () => {
  it('comes to its end, and anchors, at the first tick', async () => {
    stage = await createStage({ chain: { pollIntervalMs: 3_600_000 } })
    let recent: number[] = []
    const proxy = await behindProxy(() => {
      const now = performance.now()
      recent = recent.filter((at) => now - at < 1_000)
      if (recent.length >= 4) return busy(1)
      recent.push(now)
      return undefined
    })
    stage.chain.rpcUrls = [proxy.url]
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    expect(await stage.attempts()).toMatchObject([{ state: 'sent', sendCount: 1 }])
    expect(anchorer.status()).toMatchObject({ reason: null, endpoints: [{ state: 'ok', failures: 0 }] })
    // One entry a look at most: a limit that was waited for is no news.
    expect(stage.logger.entries.filter(({ message }) => message === 'rpc endpoint fails')).toEqual([])
  })

  it('is given up when its time is over', async () => {
    stage = await createStage()
    const proxy = await behindProxy(({ method }) => (method === 'eth_chainId' ? undefined : busy(1)))
    const began = performance.now()
    await expect(open([proxy.url], 2_500).views()).rejects.toMatchObject({ code: 'CHAIN_UNAVAILABLE' })
    expect(performance.now() - began).toBeLessThan(4_000)
    expect(proxy.count('eth_blockNumber')).toBeGreaterThan(1)
  })

  it('is given up at once when the endpoint wants a longer pause than a look has', async () => {
    stage = await createStage()
    const proxy = await behindProxy(({ method }) => (method === 'eth_chainId' ? undefined : busy(120)))
    await expect(open([proxy.url]).views()).rejects.toMatchObject({ code: 'CHAIN_UNAVAILABLE' })
    expect(proxy.count('eth_blockNumber')).toBe(1)
  })

  it('ends when the daemon stops', async () => {
    stage = await createStage()
    const proxy = await behindProxy(({ method }) => (method === 'eth_chainId' ? undefined : busy(10)))
    const opened = open([proxy.url])
    const views = opened.views().catch((error: unknown) => error)
    await expect.poll(() => proxy.count('eth_blockNumber')).toBe(1)
    const began = performance.now()
    opened.close()
    expect(await views).toMatchObject({ code: 'CHAIN_UNAVAILABLE' })
    expect(performance.now() - began).toBeLessThan(2_000)
  })

  it('is not waited for where another one answers', async () => {
    stage = await createStage()
    const proxy = await behindProxy(({ method }) => (method === 'eth_chainId' ? undefined : busy(10)))
    const began = performance.now()
    const views = await open([proxy.url, stage.anvil.url]).views()
    expect(views.map(({ endpoint }) => endpoint)).toEqual([new URL(stage.anvil.url).host])
    expect(performance.now() - began).toBeLessThan(3_000)
  })
})

describe('the bytes of a transaction', () => {
  const isSending = ({ method }: { method: string }) => method === 'eth_sendRawTransaction'

  it('are sent again at once, the same, to an endpoint that did not look at them', async () => {
    stage = await createStage({ chain: { pollIntervalMs: 3_600_000 } })
    const proxy = await behindProxy((request) =>
      isSending(request) && proxy.count('eth_sendRawTransaction') <= 2 ? busy(1) : undefined,
    )
    stage.chain.rpcUrls = [proxy.url]
    await stage.seal()
    await (await stage.anchorer()).tick()
    expect(await stage.attempts()).toMatchObject([{ state: 'sent', sendCount: 1 }])
    const sent = proxy.requests.filter(isSending).map(({ params }) => params[0])
    expect(sent).toHaveLength(3)
    expect(new Set(sent).size).toBe(1)
  })

  it.each([
    ['a broken connection', { kind: 'drop_reply' }],
    ['an internal error', { kind: 'error', code: -32603, message: 'Internal error', forward: true }],
    ['HTTP 502', { kind: 'http', status: 502, forward: true }],
  ] as const)(
    'are not sent again in the same look after %s, which may have come too late',
    async (_, fault) => {
      stage = await createStage({ chain: { pollIntervalMs: 3_600_000 } })
      const proxy = await behindProxy((request) => (isSending(request) ? fault : undefined))
      stage.chain.rpcUrls = [proxy.url]
      await stage.seal()
      await (await stage.anchorer()).tick()
      expect(proxy.count('eth_sendRawTransaction')).toBe(1)
      expect(await stage.attempts()).toMatchObject([{ state: 'stored', sendCount: 1 }])
    },
  )
})
