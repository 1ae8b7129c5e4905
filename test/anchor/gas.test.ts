import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import { until } from '../support/wait.ts'
import { deployDearRegistry } from './support/dear-registry.ts'
import { type Fault, type FaultProxy, startFaultProxy } from './support/fault-proxy.ts'
import { createStage, PUBLISHER, type Stage } from './support/harness.ts'

/** What the call burns, so that the whole transaction takes so much. */
const AFTER_THE_NEXT_FORK = 140_000 - 24_000
const FEVM = 3_000_000 - 24_000

let stage: Stage
let proxy: FaultProxy | undefined
afterEach(async () => {
  await stage?.close()
  await proxy?.close()
  proxy = undefined
})

async function withDearRegistry(burnt: number, chain: Partial<Stage['chain']> = {}) {
  stage = await createStage({ deploy: false, chain })
  const registry = await deployDearRegistry(stage.anvil, burnt)
  stage.chain.registry = registry.address
  return registry
}

/** The chain is reached through a proxy that answers the question for gas like this. */
async function estimating(answer: (params: unknown[]) => Fault | undefined): Promise<void> {
  proxy = await startFaultProxy(stage.anvil.url)
  proxy.rule = ({ method, params }) => (method === 'eth_estimateGas' ? answer(params) : undefined)
  stage.chain.rpcUrls = [proxy.url]
}

const refuse = (code: number, message: string): Fault => ({ kind: 'error', code, message })
const isMined = ({ state }: { state: string }) => state === 'mined'

describe('an anchor', () => {
  it.each([
    ['140,000 gas, as after the next forks', AFTER_THE_NEXT_FORK],
    ['3,000,000 gas, as on Filecoin', FEVM],
  ])('that takes %s is mined by its first transaction', async (_what, burnt) => {
    await withDearRegistry(burnt)
    await stage.seal()
    await (await stage.anchorer()).tick()
    const mined = await stage.untilAnchor('a mined anchor', isMined)
    expect(Math.abs(mined.gasUsed! - burnt - 24_000)).toBeLessThan(3_000)
    expect(await stage.attempts()).toMatchObject([{ state: 'mined', nonce: 0, gasUsed: mined.gasUsed }])
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
  })

  it('in event mode is mined by its first transaction, too', async () => {
    await withDearRegistry(AFTER_THE_NEXT_FORK, { mode: 'event' })
    await stage.seal()
    await (await stage.anchorer()).tick()
    await stage.untilAnchor('a mined anchor', isMined)
    expect(await stage.attempts()).toHaveLength(1)
  })

  it('is asked for gas with ample funds, and is not held up by low ones that suffice', async () => {
    await withDearRegistry(FEVM)
    await stage.anvil.setBalance(PUBLISHER.address, 1n)
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'no_funds' })
    await stage.anvil.setBalance(PUBLISHER.address, 10n ** 18n)
    await stage.untilAnchor('a mined anchor', isMined)
    expect(await stage.attempts()).toHaveLength(1)
  })

  it('whose call became dearer between two ticks goes on by itself', async () => {
    const registry = await withDearRegistry(0)
    const anchorer = await stage.anchorer()
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('a mined anchor', isMined)
    await registry.setBurnt(AFTER_THE_NEXT_FORK)
    await stage.seal()
    await anchorer.tick()
    await until(
      async () => {
        await stage.anvil.mine()
        const [, second] = await stage.anchors()
        return second?.state === 'mined' || second?.state === 'finalized'
      },
      { what: 'the second anchor', every: 50 },
    )
    expect(anchorer.status().paused).toBeNull()
    const roots = (await stage.anchors()).map(({ root }) => toHex(root))
    expect(await stage.rootsOnChain()).toEqual(new Map(roots.map((root) => [root, 1])))
    // The one that ran out of gas showed it: the chain was asked again, and nothing was doubled.
    const [, failed, last] = await stage.attempts()
    expect(failed).toMatchObject({ state: 'reverted', gasUsed: failed!.gasLimit })
    expect(last!.gasLimit).toBeGreaterThan(AFTER_THE_NEXT_FORK)
  })

  it('asks again for gas before a tick a minute later, so that a fork costs nothing', async () => {
    const registry = await withDearRegistry(0)
    let later = 0
    const anchorer = await stage.anchorer({ clock: { now: () => Date.now() + later } })
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('a mined anchor', isMined)
    await registry.setBurnt(AFTER_THE_NEXT_FORK)
    later = 61_000
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('the second', ({ id, state }) => id === 2 && state === 'mined')
    expect((await stage.attempts()).map(({ state }) => state)).not.toContain('reverted')
  })

  it('over maxGas is not signed, and the reason has both numbers; raised, it is mined', async () => {
    await withDearRegistry(FEVM, { maxGas: 2_000_000 })
    await stage.seal()
    const limited = await stage.anchorer()
    await limited.tick()
    expect(limited.status()).toMatchObject({ reason: 'fee_cap', inFlight: null })
    expect(limited.status().detail).toMatch(/takes [23]\d{6} gas or more; chains\[\]\.maxGas is 2000000\.$/)
    expect(await stage.attempts()).toEqual([])
    await limited.close()
    stage.chain.maxGas = 10_000_000
    await (await stage.anchorer()).tick()
    await stage.untilAnchor('a mined anchor', isMined)
  })
})

describe('a node that estimates no gas', () => {
  it.each([
    ['has no such method', refuse(-32601, 'the method eth_estimateGas does not exist')],
    ['says that funds are low', refuse(-32000, 'insufficient funds for gas * price + value')],
    ['says that the call reverts', refuse(3, 'execution reverted')],
    ['answers null', { kind: 'result', result: null }],
    ['answers nothing of use', { kind: 'result', result: '0x0' }],
    ['is behind HTTP 403', { kind: 'http', status: 403, body: 'forbidden' }],
  ] satisfies [string, Fault][])('because it %s gets the anchor all the same', async (_why, fault) => {
    await withDearRegistry(AFTER_THE_NEXT_FORK)
    await estimating(() => fault)
    await stage.seal()
    await (await stage.anchorer()).tick().catch(() => undefined)
    await stage.untilAnchor('a mined anchor', isMined, 20_000)
    expect(await stage.attempts()).toHaveLength(1)
  })

  it('on a chain that takes 3,000,000 is given all that is allowed after one that ran out', async () => {
    await withDearRegistry(FEVM)
    await estimating(() => refuse(-32601, 'no such method'))
    await stage.seal()
    let later = 0
    const anchorer = await stage.anchorer({ clock: { now: () => Date.now() + later } })
    await anchorer.tick()
    await until(
      async () => {
        await stage.anvil.mine()
        return (await stage.anchors())[0]?.state === 'mined'
      },
      { what: 'a mined anchor', every: 50 },
    )
    expect(await stage.attempts()).toMatchObject([{ state: 'reverted' }, { gasLimit: stage.chain.maxGas }])
    // The next one is given twice what this one used, once the chain is asked again.
    later = 61_000
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('the second', ({ id, state }) => id === 2 && state === 'mined')
    const [, first, second] = await stage.attempts()
    expect(second!.gasLimit).toBe(2 * first!.gasUsed!)
  })

  it('with a balance override is asked without one', async () => {
    await withDearRegistry(AFTER_THE_NEXT_FORK)
    await estimating(([, , override]) =>
      override === undefined ? undefined : refuse(-32602, 'too many arguments, want at most 2'),
    )
    await stage.seal()
    await (await stage.anchorer()).tick()
    const mined = await stage.untilAnchor('a mined anchor', isMined)
    const [attempt] = await stage.attempts()
    expect(attempt!.gasLimit).toBeLessThan(mined.gasUsed! * 1.5)
  })

  it('is made up for by another endpoint that does', async () => {
    await withDearRegistry(FEVM)
    await estimating(() => refuse(-32601, 'no such method'))
    stage.chain.rpcUrls = [...stage.chain.rpcUrls, stage.anvil.url]
    await stage.seal()
    await (await stage.anchorer()).tick()
    await stage.untilAnchor('a mined anchor', isMined)
    expect(await stage.attempts()).toHaveLength(1)
  })
})
