import { afterEach, describe, expect, it } from 'vitest'
import { privateKeySigner } from '../../src/anchor/signers/signer.ts'
import { toHex } from '../../src/core/hash.ts'
import { readAccount, resumeAccount, setNonceAside } from '../../src/store/chain/accounts.ts'
import { DEV_ACCOUNTS } from '../support/anvil.ts'
import { until } from '../support/wait.ts'
import { createStage, PUBLISHER, type Stage } from './support/harness.ts'
import { spendNonce } from './support/spend-nonce.ts'

const CHAIN_ID = 31337
const FEES = { maxFeePerGasGwei: 100, minTipGwei: 1, maxTipGwei: 50, bumpAfterMs: 100 }

let stage: Stage
afterEach(() => stage?.close())

/** As `holdfast anchors resume` does. */
async function resume(): Promise<string | null> {
  const nonce = Number(await stage.anvil.rpc('eth_getTransactionCount', [PUBLISHER.address, 'latest']))
  return resumeAccount(stage.pool, CHAIN_ID, PUBLISHER.address, nonce)
}

describe('a chain that was reset to before final anchors', () => {
  it('gets nothing new signed but their bytes again; grown past them, it is stopped, resumed, and goes on', async () => {
    stage = await createStage({ chain: { confirmations: 1, resendAfterMs: 100 } })
    const snapshot = await stage.anvil.snapshot()
    const anchorer = await stage.anchorer()
    for (const id of [1, 2]) {
      await stage.seal()
      await anchorer.tick()
      await stage.untilAnchor('a mined anchor', (anchor) => anchor.id === id && anchor.state === 'mined')
      await stage.anvil.mine(3)
      await stage.untilAnchor('a final anchor', (anchor) => anchor.id === id && anchor.state === 'finalized')
    }
    const last = (await stage.anchors())[1]!
    await stage.anvil.setAutomine(false)
    await stage.anvil.revert(snapshot)
    await stage.seal()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'stuck', nextNonce: 2, inFlight: null })
    expect(anchorer.status().detail).toContain(`Anchor 2 is in block ${last.blockNumber}, which`)

    await stage.anvil.setAutomine(true)
    await until(async () => (await stage.rootsOnChain()).size === 2, {
      what: 'both roots on the chain again',
    })
    expect(await stage.attempts()).toHaveLength(2)
    await until(
      async () => {
        await stage.anvil.mine()
        return anchorer.status().paused?.reason === 'finality_contradicted'
      },
      { what: 'the pause', every: 50 },
    )
    await resume()
    const third = await stage.untilAnchor('the third', ({ id, state }) => id === 3 && state === 'mined')
    const roots = (await stage.anchors()).map((anchor) => toHex(anchor.root))
    expect(await stage.rootsOnChain()).toEqual(new Map(roots.map((root) => [root, 1])))
    expect((await stage.attempts()).map(({ nonce }) => nonce)).toEqual([0, 1, 2])
    expect(third.id).toBe(3)
  })
})

describe('a nonce that was set aside for a transaction that never came', () => {
  it('pauses the account once that is final, and lets it go on when somebody has spent it', async () => {
    stage = await createStage()
    const anchorer = await stage.anchorer()
    await until(() => readAccount(stage.pool, CHAIN_ID, PUBLISHER.address), { what: 'the account' })
    expect(await setNonceAside(stage.pool, CHAIN_ID, PUBLISHER.address, 0)).toBe(true)
    await stage.seal()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'stuck', paused: null })
    expect(anchorer.status().detail).toContain('takes nonce 0')
    await stage.anvil.mine(6)
    await until(() => anchorer.status().paused?.reason === 'nonce_gap', { what: 'the pause' })
    expect(await stage.attempts()).toEqual([])

    await spendNonce(stage.anvil, 0)
    expect(await resume()).toBe('nonce_gap')
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(await stage.attempts()).toMatchObject([{ nonce: 1 }])
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
  })

  it('is in no way of an anchor when it is only an endpoint that shows it late', async () => {
    stage = await createStage()
    const anchorer = await stage.anchorer()
    await until(() => readAccount(stage.pool, CHAIN_ID, PUBLISHER.address), { what: 'the account' })
    await setNonceAside(stage.pool, CHAIN_ID, PUBLISHER.address, 0)
    await stage.seal()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'stuck', paused: null })
    await spendNonce(stage.anvil, 0)
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(await stage.attempts()).toMatchObject([{ nonce: 1 }])
  })
})

describe('an anchor above a nonce that the chain has lost', () => {
  it('is not raised, says so, and is mined when what is missing was sent again', async () => {
    stage = await createStage({
      chain: { fees: { ...FEES, bumpAfterMs: 1 }, confirmations: 1, resendAfterMs: 100 },
    })
    const anchorer = await stage.anchorer()
    const snapshot = await stage.anvil.snapshot()
    await stage.seal()
    await anchorer.tick()
    await stage.anvil.mine(1)
    await stage.untilAnchor('a final anchor', (anchor) => anchor.state === 'finalized')
    await stage.anvil.setAutomine(false)
    await stage.seal()
    await anchorer.tick()
    expect(await stage.attempts()).toMatchObject([{ nonce: 0 }, { nonce: 1 }])

    const { sendCount } = (await stage.attempts())[0]!
    await stage.anvil.revert(snapshot)
    await stage.anvil.setAutomine(false)
    const stuck = await stage.untilAnchor(
      'the reason',
      ({ detail }) => detail?.includes('takes nonce 0') === true,
    )
    expect(stuck).toMatchObject({ id: 2, state: 'submitted', reason: 'stuck' })
    await until(async () => (await stage.attempts())[0]!.sendCount > sendCount, { what: 'a sending' })
    for (let blocks = 0; blocks < 3; blocks += 1) {
      const head = await stage.anvil.blockNumber()
      await stage.anvil.setNextBaseFee(10n ** 12n)
      await stage.anvil.mine()
      await until(() => anchorer.status().head === head + 1, { what: 'a look at the block' })
    }
    expect(await stage.attempts()).toHaveLength(2)
    await until(
      async () => {
        await stage.anvil.setNextBaseFee(10n ** 9n)
        await stage.anvil.mine()
        return (await stage.rootsOnChain()).size === 2
      },
      { what: 'both roots on the chain', every: 50 },
    )
    expect(await stage.attempts()).toHaveLength(2)
  })
})

describe('a database restored to before an anchor', () => {
  it('stops before anything is signed, for the chain knows more than it; resumed, it goes on after it', async () => {
    stage = await createStage()
    const before = await stage.anchorer()
    await until(() => readAccount(stage.pool, CHAIN_ID, PUBLISHER.address), { what: 'the account' })
    await stage.seal()
    await before.tick()
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    await before.close()
    for (const table of ['attempt', 'anchor_batch', 'anchor']) await stage.pool.query(`delete from ${table}`)
    await stage.pool.query('update account set next_nonce = 0')

    const after = await stage.anchorer()
    await after.tick()
    expect(after.status()).toMatchObject({ reason: 'stuck', paused: null })
    await stage.anvil.mine()
    await until(() => after.status().paused?.reason === 'key_used_elsewhere', { what: 'the pause' })
    expect(await stage.attempts()).toEqual([])
    await resume()
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(await stage.attempts()).toMatchObject([{ nonce: 1 }])
  })
})

describe('an anchor signed by a key that is configured no more', () => {
  const newer = DEV_ACCOUNTS[1]

  /** An anchor under way by the older key, and a daemon with the newer one. */
  async function rotate() {
    stage = await createStage({ manual: true, chain: { fees: FEES, resendAfterMs: 100 } })
    await stage.seal()
    const before = await stage.anchorer()
    await before.tick()
    await before.close()
    return stage.anchorer({ signer: privateKeySigner(newer.privateKey) })
  }

  it('says so and what to do, is sent again, and counts when it is mined after all', async () => {
    const anchorer = await rotate()
    const stuck = await until(
      async () => {
        await stage.anvil.setNextBaseFee(10n ** 12n)
        await stage.anvil.mine()
        return (await stage.anchors()).find(({ detail }) => detail?.includes('older key'))
      },
      { what: 'the reason', every: 50 },
    )
    expect(stuck).toMatchObject({ state: 'submitted', reason: 'stuck' })
    expect(stuck.detail).toContain(PUBLISHER.address)
    expect(anchorer.status()).toMatchObject({ reason: 'stuck', address: newer.address, paused: null })
    const { sendCount } = (await stage.attempts())[0]!
    await until(async () => (await stage.attempts())[0]!.sendCount > sendCount + 1, { what: 'sendings' })
    await until(
      async () => {
        await stage.anvil.setNextBaseFee(10n ** 9n)
        await stage.anvil.mine()
        return (await stage.anchors())[0]!.state === 'mined'
      },
      { what: 'a mined anchor', every: 50 },
    )
    expect((await stage.anchors())[0]).toMatchObject({ publisher: PUBLISHER.address })
    expect(await stage.attempts()).toHaveLength(1)
  })

  it('is signed by the new one when its nonce went to something else, which pauses nothing', async () => {
    const anchorer = await rotate()
    await spendNonce(stage.anvil, 0)
    await stage.anvil.mine()
    await stage.untilAnchor('the reason', ({ detail }) => detail?.includes('is spent') === true)
    await stage.anvil.setAutomine(true)
    await stage.anvil.mine(6)
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(mined.publisher).toBe(newer.address)
    expect(anchorer.status()).toMatchObject({ paused: null })
    await expect.poll(() => stage.events.map((event) => event.type)).toEqual(['anchored'])
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
  })
})
