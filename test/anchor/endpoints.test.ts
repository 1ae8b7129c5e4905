import { afterEach, describe, expect, it } from 'vitest'
import { createEndpoint, endpointNames } from '../../src/anchor/rpc/endpoint.ts'
import { toHex } from '../../src/core/hash.ts'
import { noMetrics } from '../../src/core/metrics.ts'
import { systemClock } from '../../src/core/ports.ts'
import { startTestAnvil, type TestAnvil } from '../support/anvil.ts'
import { until } from '../support/wait.ts'
import { type Fault, type FaultProxy, type RpcRequest, startFaultProxy } from './support/fault-proxy.ts'
import { createStage, type Stage } from './support/harness.ts'
import { recordingLogger } from './support/recording-logger.ts'

let stage: Stage
let other: TestAnvil | undefined
const proxies: FaultProxy[] = []
afterEach(async () => {
  await stage?.close()
  await other?.stop()
  other = undefined
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()))
})

async function proxyOf(target: string): Promise<FaultProxy> {
  const proxy = await startFaultProxy(target)
  proxies.push(proxy)
  return proxy
}

/** An address where nothing listens any more. */
async function deadUrl(): Promise<string> {
  const proxy = await startFaultProxy('')
  await proxy.close()
  return proxy.url
}

async function expectAnchored(): Promise<void> {
  const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
  expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
}

describe('several endpoints', () => {
  it('anchor while one of them answers, whichever it is', async () => {
    stage = await createStage()
    stage.chain.rpcUrls = [await deadUrl(), stage.anvil.url]
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    await expectAnchored()
    expect(anchorer.status().endpoints).toMatchObject([{ state: 'failing' }, { state: 'ok', failures: 0 }])
  })

  it('all get the bytes, and one acceptance is enough', async () => {
    stage = await createStage()
    const refusing = await proxyOf(stage.anvil.url)
    const silent = await proxyOf(stage.anvil.url)
    const good = await proxyOf(stage.anvil.url)
    refusing.rule = ({ method }) =>
      method === 'eth_sendRawTransaction'
        ? { kind: 'error', code: -32000, message: 'insufficient funds for gas * price + value' }
        : undefined
    silent.rule = ({ method }) => (method === 'eth_sendRawTransaction' ? { kind: 'drop_request' } : undefined)
    stage.chain.rpcUrls = [refusing.url, silent.url, good.url]
    await stage.anvil.setAutomine(false)
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    expect(await stage.attempts()).toMatchObject([{ state: 'sent', error: null }])
    for (const proxy of [refusing, silent, good]) expect(proxy.count('eth_sendRawTransaction')).toBe(1)
    await stage.anvil.mine()
    await expectAnchored()
  })

  it('of which the first hides a receipt are asked all before a nonce counts as spent by somebody else', async () => {
    stage = await createStage()
    const hiding = await proxyOf(stage.anvil.url)
    hiding.rule = ({ method }) =>
      method === 'eth_getTransactionReceipt' ? { kind: 'result', result: null } : undefined
    stage.chain.rpcUrls = [hiding.url, stage.anvil.url]
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    await stage.untilAnchor('the reason', ({ detail }) => detail?.includes('is spent') === true)
    await stage.anvil.mine(6)
    await stage.untilAnchor('a final anchor', (anchor) => anchor.state === 'finalized')
    expect(anchorer.status()).toMatchObject({
      paused: null,
      endpoints: [{ state: 'failing' }, { state: 'ok' }],
    })
    expect(await stage.attempts()).toHaveLength(1)
  })

  it('are not overruled by one that shows another block in the place of a final one', async () => {
    stage = await createStage({ chain: { confirmations: 1 } })
    const lying = await proxyOf(stage.anvil.url)
    stage.chain.rpcUrls = [lying.url, stage.anvil.url]
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    await stage.anvil.mine(2)
    const final = await stage.untilAnchor('a final anchor', (anchor) => anchor.state === 'finalized')
    let lies = 0
    lying.edit = ({ method, params }, result) => {
      if (method !== 'eth_getBlockByNumber' || Number(params[0]) !== final.blockNumber) return
      lies += 1
      Object.assign(result as object, { hash: `0x${'ab'.repeat(32)}` })
    }
    await stage.seal()
    await anchorer.tick()
    const next = await stage.untilAnchor(
      'another mined anchor',
      ({ id, state }) => id === 2 && state === 'mined',
    )
    expect(lies).toBeGreaterThan(0)
    expect(next.reason).toBeNull()
    expect(anchorer.status()).toMatchObject({
      paused: null,
      endpoints: [{ state: 'failing' }, { state: 'ok' }],
    })
    expect(stage.events.some((event) => event.type === 'paused')).toBe(false)
  })

  it('of which one is away do not hide why the other refuses', async () => {
    stage = await createStage()
    const refusing = await proxyOf(stage.anvil.url)
    refusing.rule = ({ method }) =>
      method === 'eth_sendRawTransaction'
        ? { kind: 'error', code: -32000, message: 'insufficient funds for gas * price + value' }
        : undefined
    stage.chain.rpcUrls = [await deadUrl(), refusing.url]
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    expect(await stage.attempts()).toMatchObject([{ state: 'refused' }])
    expect(anchorer.status()).toMatchObject({ reason: 'no_funds' })
  })

  it('are read from where the newest block is', async () => {
    stage = await createStage()
    const stale = await proxyOf(stage.anvil.url)
    stage.chain.rpcUrls = [stale.url, stage.anvil.url]
    await stage.anvil.mine(10)
    stale.rule = ({ method }) => {
      if (method === 'eth_blockNumber') return { kind: 'result', result: '0x1' }
      if (method === 'eth_getTransactionReceipt') return { kind: 'result', result: null }
      return undefined
    }
    await stage.seal()
    await (await stage.anchorer()).tick()
    await expectAnchored()
    expect(stale.count('eth_getTransactionReceipt')).toBe(0)
    await stage.anvil.mine(5)
    await stage.untilAnchor('a final anchor', (anchor) => anchor.state === 'finalized')
    await expect.poll(() => stage.events.map((event) => event.type)).toEqual(['anchored', 'finalized'])
  })
})

describe('an endpoint that answers, but not all that is needed', () => {
  const faults: Record<string, Fault> = {
    'with an error': { kind: 'error', code: -32601, message: 'no such method' },
    'with nothing': { kind: 'hang' },
    'with null': { kind: 'result', result: null },
  }
  const isNeeded = ({ method, params }: RpcRequest) =>
    method === 'eth_getTransactionCount' && params[1] === 'latest'
  for (const [how, fault] of Object.entries(faults)) {
    it(`${how}, does not hold up a chain whose other endpoint does, however rare the looks`, async () => {
      stage = await createStage({ chain: { pollIntervalMs: 3_600_000 } })
      const half = await proxyOf(stage.anvil.url)
      half.rule = (request) => (isNeeded(request) ? fault : undefined)
      stage.chain.rpcUrls = [half.url, stage.anvil.url]
      let later = 0
      const anchorer = await stage.anchorer({
        clock: { now: () => Date.now() + later },
        rpcTimeoutMs: 200,
      })
      await until(() => anchorer.status().head !== null, { what: 'a first look, through the other one' })
      const asked = half.requests.filter(isNeeded).length
      later += 700_000
      await stage.seal()
      await anchorer.tick()
      expect(half.requests.filter(isNeeded)).toHaveLength(asked + 1)
      expect(await stage.attempts()).toMatchObject([{ state: 'sent' }])
      expect(anchorer.status()).toMatchObject({
        reason: null,
        endpoints: [{ state: 'failing', failures: 2 }, { state: 'ok' }],
      })
    })
  }

  it('is given the bytes all the same', async () => {
    stage = await createStage()
    const half = await proxyOf(stage.anvil.url)
    half.rule = (request) => (isNeeded(request) ? faults['with null'] : undefined)
    const deaf = await proxyOf(stage.anvil.url)
    deaf.rule = ({ method }) => (method === 'eth_sendRawTransaction' ? { kind: 'drop_request' } : undefined)
    stage.chain.rpcUrls = [half.url, deaf.url]
    await stage.seal()
    await (await stage.anchorer()).tick()
    await expectAnchored()
  })
})

describe('an endpoint of another chain', () => {
  it('is refused at start', async () => {
    stage = await createStage()
    other = await startTestAnvil([], { chainId: 5 })
    stage.chain.rpcUrls = [stage.anvil.url, other.url]
    await expect(stage.anchorer()).rejects.toMatchObject({
      code: 'WRONG_CHAIN',
      message: expect.stringMatching(/serves chain 5, not 31337/),
    })
  })

  it('that comes back in the place of the right one gets nothing sent, and the right one is used when it returns', async () => {
    stage = await createStage()
    other = await startTestAnvil([], { chainId: 5 })
    const proxy = await proxyOf(stage.anvil.url)
    stage.chain.rpcUrls = [proxy.url]
    const anchorer = await stage.anchorer()
    await until(() => anchorer.status().head !== null, { what: 'a first look' })
    proxy.rule = () => ({ kind: 'drop_request' })
    await stage.seal()
    await anchorer.tick().catch(() => undefined)
    proxy.target = other.url
    proxy.rule = () => undefined
    await until(() => anchorer.status().endpoints[0]?.state === 'wrong_chain', { what: 'the verdict' })
    expect(await stage.attempts()).toEqual([])
    expect(proxy.count('eth_sendRawTransaction')).toBe(0)
    proxy.target = stage.anvil.url
    await expectAnchored()
  })
})

describe('an endpoint', () => {
  it('is named without what may be secret', () => {
    expect(
      endpointNames([
        'https://user:pass@rpc.example/v3/KEY',
        'https://rpc.example/other?key=KEY',
        'http://a:8545',
      ]),
    ).toEqual(['rpc.example', 'rpc.example#2', 'a:8545'])
  })

  it('backs off longer with every failure, and says so without asking again', async () => {
    let now = 0
    const endpoint = createEndpoint({
      url: await deadUrl(),
      name: 'dead',
      chainId: 1,
      timeoutMs: 1_000,
      clock: { now: () => now },
      logger: recordingLogger(),
      metrics: noMetrics,
      random: () => 1,
    })
    const waits: number[] = []
    for (let i = 0; i < 10; i += 1) {
      await expect(endpoint.call('eth_blockNumber', [])).rejects.toMatchObject({ sent: false })
      waits.push(endpoint.waitMs())
      await expect(endpoint.call('eth_blockNumber', [])).rejects.toThrow('backing off')
      now += endpoint.waitMs()
    }
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000])
    expect(endpoint.health()).toMatchObject({ state: 'failing', failures: 10 })
    endpoint.close()
  })

  it('that answers 429 or 503 is left alone as long as it asks, whatever error it puts in the body', async () => {
    const body = JSON.stringify({ id: null, error: { code: -32000, message: 'compute units exceeded' } })
    for (const status of [429, 503]) {
      const proxy = await proxyOf('')
      proxy.rule = ({ method }) =>
        method === 'eth_chainId'
          ? { kind: 'result', result: '0x1' }
          : { kind: 'http', status, headers: { 'retry-after': '7' }, body }
      const endpoint = createEndpoint({
        url: proxy.url,
        name: 'busy',
        chainId: 1,
        timeoutMs: 1_000,
        clock: { now: () => 0 },
        logger: recordingLogger(),
        metrics: noMetrics,
        random: () => 1,
      })
      await expect(endpoint.call('eth_blockNumber', [])).rejects.toThrow('compute units exceeded')
      expect(endpoint.waitMs()).toBe(7_000)
      expect(endpoint.health()).toMatchObject({ state: 'failing', failures: 1 })
      await expect(endpoint.call('eth_blockNumber', [])).rejects.toThrow('backing off')
      endpoint.close()
    }
  })

  it('gets the user and password of its URL as a header, and they are in no log', async () => {
    const anvil = await startTestAnvil()
    const logger = recordingLogger()
    const url = new URL(anvil.url)
    url.username = 'user'
    url.password = 's3cret'
    const endpoint = createEndpoint({
      url: url.href,
      name: endpointNames([url.href])[0]!,
      chainId: 31337,
      timeoutMs: 1_000,
      clock: systemClock,
      logger,
      metrics: noMetrics,
      random: Math.random,
    })
    expect(await endpoint.call('eth_chainId', [])).toBe('0x7a69')
    await anvil.stop()
    await expect(endpoint.call('eth_blockNumber', [])).rejects.toThrow()
    endpoint.close()
    expect(logger.entries).toHaveLength(1)
    expect(JSON.stringify(logger.entries) + JSON.stringify(endpoint.health())).not.toContain('s3cret')
  })
})
