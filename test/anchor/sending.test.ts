import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import { until } from '../support/wait.ts'
import { type Fault, type FaultProxy, startFaultProxy } from './support/fault-proxy.ts'
import { createStage, type Stage } from './support/harness.ts'

let stage: Stage
let proxy: FaultProxy
afterEach(async () => {
  await stage?.close()
  await proxy?.close()
})

/** A stage whose anchorer reaches the chain through a proxy only. */
async function behindProxy(chain: Partial<Stage['chain']> = {}): Promise<void> {
  stage = await createStage({ chain: { resendAfterMs: 200, ...chain } })
  proxy = await startFaultProxy(stage.anvil.url)
  stage.chain.rpcUrls = [proxy.url]
}

/** The fault for the first `times` sendings, and none for the rest. */
function onSending(fault: Fault, times = 1): void {
  let left = times
  proxy.rule = ({ method }) => {
    if (method !== 'eth_sendRawTransaction' || left === 0) return undefined
    left -= 1
    return fault
  }
}

async function expectAnchoredOnce(): Promise<void> {
  const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
  expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
  expect(await stage.attempts()).toHaveLength(1)
  expect(mined).toMatchObject({ reason: null, detail: null })
}

describe('a sending', () => {
  it('whose request is lost is repeated with the same bytes', async () => {
    await behindProxy()
    onSending({ kind: 'drop_request' })
    await stage.seal()
    await (await stage.anchorer()).tick()
    await expectAnchoredOnce()
    expect(proxy.count('eth_sendRawTransaction')).toBeGreaterThanOrEqual(2)
  })

  it('whose reply is lost counts as neither sent nor refused, and is found on the chain', async () => {
    await behindProxy()
    await stage.anvil.setAutomine(false)
    onSending({ kind: 'drop_reply' })
    await stage.seal()
    await (await stage.anchorer()).tick()
    expect(await stage.attempts()).toMatchObject([{ state: 'stored', sendCount: 1 }])
    await until(async () => (await stage.attempts())[0]!.state === 'sent', {
      what: 'a sending that was accepted',
    })
    await stage.anvil.mine()
    await expectAnchoredOnce()
    const sent = proxy.requests.filter((request) => request.method === 'eth_sendRawTransaction')
    expect(new Set(sent.map((request) => request.params[0])).size).toBe(1)
  })

  it('that times out may have been accepted: the transaction is found, nothing is signed again', async () => {
    await behindProxy()
    onSending({ kind: 'hang', forward: true })
    await stage.seal()
    await (await stage.anchorer({ rpcTimeoutMs: 300 })).tick()
    await expectAnchoredOnce()
  })

  it('that times out may not have been: it is repeated', async () => {
    await behindProxy()
    onSending({ kind: 'hang' })
    await stage.seal()
    await (await stage.anchorer({ rpcTimeoutMs: 300 })).tick()
    await expectAnchoredOnce()
  })

  it('that reaches the node twice is one transaction', async () => {
    await behindProxy()
    onSending({ kind: 'duplicate' })
    await stage.seal()
    await (await stage.anchorer()).tick()
    await expectAnchoredOnce()
  })

  for (const forward of [false, true]) {
    const taken = forward ? ' although the node took it' : ''

    it(`answered with another id${taken} is unknown, and ends in one transaction`, async () => {
      await behindProxy()
      await stage.anvil.setAutomine(false)
      onSending({ kind: 'wrong_id', forward })
      await stage.seal()
      await (await stage.anchorer()).tick()
      expect(await stage.attempts()).toMatchObject([{ state: 'stored', error: 'answered another request' }])
      await stage.anvil.setAutomine(true)
      if (forward) await stage.anvil.mine()
      await expectAnchoredOnce()
      expect(proxy.count('eth_sendRawTransaction')).toBeGreaterThanOrEqual(forward ? 1 : 2)
    })

    it(`answered with 429${taken} ends in one transaction`, async () => {
      await behindProxy()
      onSending({ kind: 'http', status: 429, headers: { 'retry-after': '1' }, forward })
      await stage.seal()
      await (await stage.anchorer()).tick()
      await expectAnchoredOnce()
    })

    it(`answered with 503${taken} ends in one transaction`, async () => {
      await behindProxy()
      onSending({ kind: 'http', status: 503, forward })
      await stage.seal()
      await (await stage.anchorer()).tick()
      await expectAnchoredOnce()
    })

    it(`answered with an unheard-of error${taken} ends in one transaction`, async () => {
      await behindProxy()
      onSending({ kind: 'error', code: -32000, message: 'the moon is in the wrong house', forward })
      await stage.seal()
      await (await stage.anchorer()).tick()
      await expectAnchoredOnce()
    })
  }

  it('waits as long as Retry-After says before it asks that endpoint again', async () => {
    await behindProxy()
    await stage.seal()
    const anchorer = await stage.anchorer()
    await until(() => proxy.count('eth_blockNumber') > 0, { what: 'a first look' })
    let refusedAt = 0
    let askedAt = 0
    proxy.rule = () => {
      if (refusedAt === 0) {
        refusedAt = performance.now()
        return { kind: 'http', status: 429, headers: { 'retry-after': '1' } }
      }
      askedAt ||= performance.now()
      return undefined
    }
    await anchorer.tick().catch(() => undefined)
    await expectAnchoredOnce()
    expect(askedAt - refusedAt).toBeGreaterThanOrEqual(990)
  })

  it('is repeated when the node silently forgets the transaction', async () => {
    await behindProxy()
    await stage.anvil.setAutomine(false)
    await stage.seal()
    await (await stage.anchorer()).tick()
    const [attempt] = await stage.attempts()
    expect(await stage.anvil.dropTransaction(toHex(attempt!.hash))).toBe(true)
    // In the node's pool, and not merely on its way there: the next block is the only one.
    const pooled = async () => ((await stage.anvil.rpc('txpool_status', [])) as { pending: string }).pending
    await until(async () => (await pooled()) === '0x1', { what: 'another sending' })
    await stage.anvil.mine()
    await expectAnchoredOnce()
  })
})

describe('a receipt', () => {
  it('that an endpoint does not show yet is not taken for a lost transaction', async () => {
    await behindProxy({ resendAfterMs: 60_000 })
    let hidden = 30
    proxy.rule = ({ method }) => {
      if (method !== 'eth_getTransactionReceipt' || hidden === 0) return undefined
      hidden -= 1
      return { kind: 'result', result: null }
    }
    await stage.seal()
    await (await stage.anchorer()).tick()
    await expectAnchoredOnce()
    expect(hidden).toBe(0)
    expect(proxy.count('eth_sendRawTransaction')).toBe(1)
  })

  it('that vanishes while its block stays does not send a mined anchor back', async () => {
    await behindProxy()
    await stage.seal()
    await (await stage.anchorer()).tick()
    await expectAnchoredOnce()
    proxy.rule = ({ method }) =>
      method === 'eth_getTransactionReceipt' ? { kind: 'result', result: null } : undefined
    const looks = proxy.count('eth_blockNumber')
    await until(() => proxy.count('eth_blockNumber') > looks + 5, { what: 'five more looks' })
    expect((await stage.anchors())[0]!.state).toBe('mined')
    await expect.poll(() => stage.events.map((event) => event.type)).toEqual(['anchored'])
  })
})

describe('a chain that is away', () => {
  it('at the tick is anchored on as soon as it is back, without another tick', async () => {
    await behindProxy()
    await stage.seal()
    const anchorer = await stage.anchorer()
    proxy.rule = () => ({ kind: 'drop_request' })
    await expect(anchorer.tick()).rejects.toMatchObject({ code: 'CHAIN_UNAVAILABLE' })
    await stage.seal()
    await until(() => anchorer.status().reason === 'rpc_down', { what: 'the reason' })
    proxy.rule = () => undefined
    await expectAnchoredOnce()
    expect((await stage.anchors())[0]).toMatchObject({ firstBatch: 1, lastBatch: 2 })
    await until(() => anchorer.status().reason === null, { what: 'no reason' })
  })

  it('while a transaction is on its way says rpc_down and forgets it when it is back', async () => {
    await behindProxy({ resendAfterMs: 60_000 })
    await stage.anvil.setAutomine(false)
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    proxy.rule = () => ({ kind: 'drop_request' })
    await stage.untilAnchor('a reason', (anchor) => anchor.reason === 'rpc_down')
    proxy.rule = () => undefined
    await stage.untilAnchor('no reason', (anchor) => anchor.reason === null)
    await stage.anvil.mine()
    await expectAnchoredOnce()
  })
})
