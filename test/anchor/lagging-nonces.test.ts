import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import { readAccount } from '../../src/store/chain/accounts.ts'
import { until } from '../support/wait.ts'
import { type FaultProxy, type RpcRequest, startFaultProxy } from './support/fault-proxy.ts'
import { createStage, PUBLISHER, type Stage } from './support/harness.ts'
import { spendNonce } from './support/spend-nonce.ts'

const CHAIN_ID = 31337

let stage: Stage
let proxy: FaultProxy
afterEach(async () => {
  await stage?.close()
  await proxy?.close()
})

const isCount = ({ method }: RpcRequest) => method === 'eth_getTransactionCount'
const account = () => readAccount(stage.pool, CHAIN_ID, PUBLISHER.address)

/** The key was used before, and the endpoint answers for its nonce as told. */
async function withUsedKey(nonces: number): Promise<void> {
  stage = await createStage()
  for (let nonce = 0; nonce < nonces; nonce += 1) await spendNonce(stage.anvil, nonce)
  proxy = await startFaultProxy(stage.anvil.url)
  stage.chain.rpcUrls = [proxy.url]
}

async function isAnchoredOnce(): Promise<void> {
  const mined = await stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined')
  expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
  expect(stage.events.map(({ type }) => type)).not.toContain('paused')
  expect(await account()).toMatchObject({ pausedReason: null, confirmed: true })
}

describe('the first nonce of a key', () => {
  it.each([1, 2, 3, 5])('that a lagging node tells too low %s times costs nothing', async (times) => {
    await withUsedKey(3)
    let left = times
    proxy.rule = (request) => {
      if (!isCount(request) || left === 0) return undefined
      left -= 1
      return { kind: 'result', result: '0x1' }
    }
    await stage.seal()
    await (await stage.anchorer()).tick()
    await isAnchoredOnce()
    expect((await stage.attempts()).at(-1)).toMatchObject({ nonce: 3, state: 'mined' })
  })

  it('that a lagging node tells too low until it has refused a transaction is corrected', async () => {
    await withUsedKey(3)
    proxy.rule = (request) =>
      isCount(request) && proxy.count('eth_sendRawTransaction') === 0
        ? { kind: 'result', result: '0x1' }
        : undefined
    await stage.seal()
    await (await stage.anchorer()).tick()
    await isAnchoredOnce()
    expect(await stage.attempts()).toMatchObject([
      { nonce: 1, state: 'superseded', sendCount: 1 },
      { nonce: 3, state: 'mined' },
    ])
  })

  it('that was too low is corrected by the next daemon, too, once that is final', async () => {
    await withUsedKey(3)
    proxy.rule = (request) => (isCount(request) ? { kind: 'result', result: '0x1' } : undefined)
    await stage.seal()
    const first = await stage.anchorer()
    await first.tick()
    await until(async () => (await stage.attempts())[0]?.state === 'refused', { what: 'a refusal' })
    await first.close()
    proxy.rule = () => undefined
    await stage.anchorer()
    await stage.untilAnchor('the reason', ({ reason }) => reason === 'stuck')
    await stage.anvil.mine(6)
    await isAnchoredOnce()
  })

  it('that another endpoint tells higher is the higher one', async () => {
    await withUsedKey(3)
    proxy.rule = (request) => (isCount(request) ? { kind: 'result', result: '0x1' } : undefined)
    stage.chain.rpcUrls = [proxy.url, stage.anvil.url]
    await stage.anchorer()
    const known = await until(account, { what: 'the account' })
    expect(known).toMatchObject({ nextNonce: 3, confirmed: false })
    proxy.rule = () => undefined
    await until(async () => (await account())!.confirmed, { what: 'two endpoints that agree' })
    expect(await account()).toMatchObject({ nextNonce: 3 })
  })

  it('is certain when two endpoints tell it, and else at the next block', async () => {
    await withUsedKey(3)
    stage.chain.rpcUrls = [proxy.url, stage.anvil.url]
    const both = await stage.anchorer()
    expect(await until(account, { what: 'the account' })).toMatchObject({ nextNonce: 3, confirmed: true })
    await both.close()
    await stage.pool.query('delete from account')
    stage.chain.rpcUrls = [proxy.url]
    await stage.anchorer()
    expect(await until(account, { what: 'the account' })).toMatchObject({ nextNonce: 3, confirmed: false })
    await stage.anvil.mine()
    await until(async () => (await account())!.confirmed, { what: 'a nonce seen at two blocks' })
  })

  it('that was told too high is corrected, too', async () => {
    await withUsedKey(0)
    proxy.rule = (request) => (isCount(request) ? { kind: 'result', result: '0x5' } : undefined)
    await stage.anchorer()
    expect(await until(account, { what: 'the account' })).toMatchObject({ nextNonce: 5, confirmed: false })
    proxy.rule = () => undefined
    await until(async () => (await account())!.nextNonce === 0, { what: 'the correction' })
  })

  it.each([
    ['refuses pending', { kind: 'error', code: -32602, message: 'invalid block tag: pending' }],
    ['answers null for pending', { kind: 'result', result: null }],
  ] as const)('is read where a node %s', async (_what, fault) => {
    await withUsedKey(3)
    proxy.rule = (request) => (isCount(request) && request.params[1] === 'pending' ? fault : undefined)
    await stage.seal()
    await (await stage.anchorer()).tick()
    await isAnchoredOnce()
    expect(await stage.attempts()).toMatchObject([{ nonce: 3 }])
  })
})

describe('one answer of a node', () => {
  /** An anchorer whose account is certain, and a chain that says something odd once. */
  async function withAnchor() {
    await withUsedKey(0)
    const anchorer = await stage.anchorer()
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined')
    return anchorer
  }

  it('that shows too many transactions of the key pauses nothing', async () => {
    const anchorer = await withAnchor()
    proxy.rule = (request) => (isCount(request) ? { kind: 'result', result: '0x9' } : undefined)
    await stage.seal()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'stuck', paused: null })
    proxy.rule = () => undefined
    await stage.untilAnchor('the next', ({ id, state }) => id === 2 && state === 'mined')
    expect(stage.events.map(({ type }) => type)).not.toContain('paused')
  })

  it('that shows too few pauses nothing, also where every block is final at once', async () => {
    stage = await createStage({ chain: { confirmations: 0 } })
    proxy = await startFaultProxy(stage.anvil.url)
    stage.chain.rpcUrls = [proxy.url]
    const anchorer = await stage.anchorer()
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('a final anchor', ({ state }) => state === 'finalized')
    proxy.rule = (request) => (isCount(request) ? { kind: 'result', result: '0x0' } : undefined)
    await stage.seal()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'stuck', paused: null })
    proxy.rule = () => undefined
    await stage.untilAnchor('the next', ({ id, state }) => id === 2 && state !== 'submitted')
    expect(stage.events.map(({ type }) => type)).not.toContain('paused')
  })

  it('that denies a final block pauses nothing', async () => {
    const anchorer = await withAnchor()
    await stage.anvil.mine(6)
    const final = await stage.untilAnchor('a final anchor', ({ state }) => state === 'finalized')
    const number = `0x${final.blockNumber!.toString(16)}`
    proxy.edit = ({ method, params }, result) => {
      if (method !== 'eth_getBlockByNumber' || params[0] !== number) return
      Object.assign(result as object, { hash: `0x${'11'.repeat(32)}` })
    }
    for (let looks = 0; looks < 3; looks += 1) await anchorer.tick()
    expect(anchorer.status().paused).toBeNull()
    await stage.anvil.mine()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ paused: { reason: 'finality_contradicted' } })
  })
})
