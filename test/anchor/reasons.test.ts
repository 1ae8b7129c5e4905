import { Transaction } from 'ethers'
import { afterEach, describe, expect, it } from 'vitest'
import { privateKeySigner } from '../../src/anchor/signers/signer.ts'
import type { ChainConfig } from '../../src/core/chain-config.ts'
import { HoldfastError } from '../../src/core/errors.ts'
import { toHex } from '../../src/core/hash.ts'
import { until } from '../support/wait.ts'
import { type FaultProxy, startFaultProxy } from './support/fault-proxy.ts'
import { createStage, PUBLISHER, type Stage } from './support/harness.ts'

const HOUR_MS = 3_600_000
const FEES = { maxFeePerGasGwei: 100, minTipGwei: 1, maxTipGwei: 50, bumpAfterMs: HOUR_MS }

let stage: Stage
let proxy: FaultProxy
afterEach(async () => {
  await stage?.close()
  await proxy?.close()
})

/** Blocks come only when the test mines them; the chain is reached through a proxy only. */
async function behindProxy({ maxGas, ...chain }: Partial<ChainConfig>): Promise<void> {
  stage = await createStage({ manual: true, chain })
  if (maxGas !== undefined) stage.chain.maxGas = maxGas
  proxy = await startFaultProxy(stage.anvil.url)
  stage.chain.rpcUrls = [proxy.url]
}

const hasReason = (reason: string | null) => async () => (await stage.anchors())[0]?.reason === reason

/** Waits until the anchorer has looked at the chain `times` more from begin to end. */
async function looks(times: number): Promise<void> {
  const before = proxy.count('eth_blockNumber')
  await until(() => proxy.count('eth_blockNumber') > before + times, { what: `${times} looks` })
}

describe('the reason of an anchor in no block', () => {
  it('is given before its deadline, however much time the raises take', async () => {
    await behindProxy({ anchorWithinMs: 600_000, fees: FEES })
    let later = 0
    await stage.seal()
    await (await stage.anchorer({ clock: { now: () => Date.now() + later } })).tick()
    await looks(3)
    expect((await stage.anchors())[0]!.reason).toBeNull()
    later = 500_000
    const stuck = await stage.untilAnchor('the reason', ({ reason }) => reason === 'stuck')
    expect(stuck.anchorBy.getTime()).toBeGreaterThan(Date.now() + later)
    expect(stuck.detail).toContain(stuck.anchorBy.toISOString())
  })

  it('is not stuck when it was just sent, though its deadline passed long before', async () => {
    await behindProxy({ anchorWithinMs: 600_000, fees: FEES })
    let later = 0
    await stage.seal()
    await stage.pool.query(`update batch set first_received_at = now() - interval '1 day'`)
    await (await stage.anchorer({ clock: { now: () => Date.now() + later } })).tick()
    await looks(3)
    const [sent] = await stage.anchors()
    expect(sent).toMatchObject({ state: 'submitted', reason: null })
    expect(sent!.anchorBy.getTime()).toBeLessThan(Date.now())
    later = 290_000
    await looks(3)
    expect((await stage.anchors())[0]!.reason).toBeNull()
    later = 310_000
    const stuck = await stage.untilAnchor('the reason', ({ reason }) => reason === 'stuck')
    expect(stuck.detail).toContain(`it was to be anchored by ${sent!.anchorBy.toISOString()}`)
  })

  it('is no longer rpc_down once the chain is reached, however long it has waited', async () => {
    await behindProxy({ fees: { ...FEES, bumpAfterMs: 1 } })
    await stage.seal()
    await (await stage.anchorer()).tick()
    await until(hasReason('stuck'), { what: 'stuck' })
    proxy.rule = () => ({ kind: 'drop_request' })
    await until(hasReason('rpc_down'), { what: 'rpc_down' })
    proxy.rule = () => undefined
    await until(hasReason('stuck'), { what: 'stuck again' })
  })

  it('is again why it was refused, when that is what was last heard of it', async () => {
    await behindProxy({ fees: FEES })
    const refuse = ({ method }: { method: string }) =>
      method === 'eth_sendRawTransaction'
        ? ({ kind: 'error', code: -32000, message: 'insufficient funds for gas * price + value' } as const)
        : undefined
    proxy.rule = refuse
    await stage.seal()
    await (await stage.anchorer()).tick()
    await until(hasReason('no_funds'), { what: 'no_funds' })
    proxy.rule = () => ({ kind: 'drop_request' })
    await until(hasReason('rpc_down'), { what: 'rpc_down' })
    proxy.rule = refuse
    await until(hasReason('no_funds'), { what: 'no_funds again' })
    expect(proxy.count('eth_sendRawTransaction')).toBe(1)
  })
})

describe('stored bytes', () => {
  const sendings = () => proxy.requests.filter(({ method }) => method === 'eth_sendRawTransaction')
  let later = 0

  /** An anchor whose transaction is to be raised, which the node has forgotten. */
  async function withForgottenAnchor(signing: () => void): Promise<string> {
    await behindProxy({ fees: { ...FEES, bumpAfterMs: 1 }, resendAfterMs: HOUR_MS })
    const real = privateKeySigner(PUBLISHER.privateKey)
    later = 0
    await stage.seal()
    const anchorer = await stage.anchorer({
      clock: { now: () => Date.now() + later },
      signer: {
        address: real.address,
        async signTransaction(unsigned) {
          signing()
          return real.signTransaction(unsigned)
        },
      },
    })
    await anchorer.tick()
    const [attempt] = await stage.attempts()
    await stage.anvil.dropTransaction(toHex(attempt!.hash))
    return toHex(attempt!.raw)
  }

  /** Once when it is time, and not at every look. */
  async function expectSentOnTheTimer(raw: string): Promise<void> {
    const before = sendings().length
    await looks(3)
    expect(sendings()).toHaveLength(before)
    later += HOUR_MS
    await until(() => sendings().length > before, { what: 'another sending' })
    await looks(3)
    expect(sendings()).toHaveLength(before + 1)
    expect(sendings().at(-1)!.params).toEqual([raw])
    expect(await stage.attempts()).toHaveLength(1)
  }

  it('are sent again while the signer that would raise them is away', async () => {
    let signed = 0
    const raw = await withForgottenAnchor(() => {
      signed += 1
      if (signed > 1) throw new HoldfastError('SIGNER_UNAVAILABLE', 'The signer is away.')
    })
    // The next block has a base fee that keeps the transaction out.
    await stage.anvil.setNextBaseFee(10n ** 12n)
    await stage.anvil.mine()
    await until(() => signed > 1, { what: 'a raise' })
    await expectSentOnTheTimer(raw)
    expect((await stage.anchors())[0]).toMatchObject({ reason: 'stuck', detail: 'The signer is away.' })
  })

  it('are sent again while fees cannot be looked up', async () => {
    const raw = await withForgottenAnchor(() => {})
    proxy.rule = ({ method, params }) =>
      method === 'eth_feeHistory' || (method === 'eth_getBlockByNumber' && params[0] === 'latest')
        ? { kind: 'error', code: -32603, message: 'internal error' }
        : undefined
    await stage.anvil.setNextBaseFee(10n ** 12n)
    await stage.anvil.mine()
    const isAsked = ({ method, params }: { method: string; params: unknown[] }) =>
      method === 'eth_getBlockByNumber' && params[0] === 'latest'
    const asked = proxy.requests.filter(isAsked).length
    await until(() => proxy.requests.filter(isAsked).length > asked, { what: 'a raise' })
    await expectSentOnTheTimer(raw)
    expect((await stage.anchors())[0]).toMatchObject({ reason: 'rpc_down' })
  })
})

describe('a transaction refused for its gas limit', () => {
  const limitOf = (raw: unknown) => Number(Transaction.from(raw as string).gasLimit)

  async function refusing(message: (limit: number) => string | null, chain: Partial<ChainConfig> = {}) {
    await behindProxy({ fees: FEES, ...chain })
    await stage.anvil.setAutomine(true)
    const limits: number[] = []
    proxy.rule = ({ method, params }) => {
      if (method !== 'eth_sendRawTransaction') return undefined
      const limit = limitOf(params[0])
      if (limits.at(-1) !== limit) limits.push(limit)
      const refusal = message(limit)
      return refusal === null ? undefined : { kind: 'error', code: -32000, message: refusal }
    }
    await stage.seal()
    await (await stage.anchorer()).tick()
    return limits
  }

  it('as too low is given twice as much, at once, until a node takes it', async () => {
    const limits = await refusing((limit) => (limit < 400_000 ? 'intrinsic gas too low' : null))
    await stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined')
    const [first] = limits
    expect(limits).toEqual([first!, 2 * first!, 4 * first!, 8 * first!])
    const attempts = await stage.attempts()
    expect(new Set(attempts.map(({ nonce }) => nonce)).size).toBe(1)
    expect(new Set(attempts.map(({ maxFeePerGas }) => maxFeePerGas)).size).toBe(1)
  })

  it('as too low is given no more than maxGas, and the reason says so', async () => {
    const limits = await refusing(() => 'intrinsic gas too low', { maxGas: 100_000 })
    const waiting = await stage.untilAnchor('the reason', ({ reason }) => reason === 'fee_cap')
    expect(waiting.detail).toContain('chains[].maxGas is 100000')
    await looks(3)
    expect(limits).toEqual([limits[0]!, 100_000])
  })

  it('as too high is given less', async () => {
    const limits = await refusing((limit) => (limit > 50_000 ? 'exceeds block gas limit' : null))
    await stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined')
    expect(limits.length).toBeLessThan(6)
    expect(limits.at(-1)).toBeLessThanOrEqual(50_000)
  })
})

describe('a mined anchor that an endpoint one block behind does not show', () => {
  it('is not raised', async () => {
    stage = await createStage({ chain: { fees: { ...FEES, bumpAfterMs: 1 } } })
    proxy = await startFaultProxy(stage.anvil.url)
    await stage.seal()
    const first = await stage.anchorer()
    await first.tick()
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    await first.close()
    // Two blocks behind, then one: to this daemon there was a block since it first looked.
    let blocks = 2
    proxy.rule = () => ({ kind: 'stale', blocks })
    stage.chain.rpcUrls = [proxy.url]
    const second = await stage.anchorer()
    await until(() => second.status().head === mined.blockNumber! - 2, { what: 'the older view' })
    blocks = 1
    await until(() => second.status().head === mined.blockNumber! - 1, { what: 'the newer view' })
    await looks(3)
    expect(await stage.attempts()).toHaveLength(1)
    expect((await stage.anchors())[0]).toMatchObject({ state: 'mined', reason: null })
  })
})
