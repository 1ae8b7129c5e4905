import { formatEther } from 'ethers'
import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import { pauseAccount, readAccount, resumeAccount } from '../../src/store/chain/accounts.ts'
import { setAnchorWish } from '../../src/store/chain/anchors.ts'
import { until } from '../support/wait.ts'
import { createStage, PUBLISHER, type Stage } from './support/harness.ts'
import { spendNonce } from './support/spend-nonce.ts'

const CHAIN_ID = 31337

let stage: Stage
afterEach(() => stage?.close())

/** As `holdfast anchors resume` does. */
async function resume(): Promise<string | null> {
  const nonce = Number(await stage.anvil.rpc('eth_getTransactionCount', [PUBLISHER.address, 'latest']))
  return resumeAccount(stage.pool, CHAIN_ID, PUBLISHER.address, nonce)
}

describe('a key that something else uses', () => {
  it('between two anchors pauses the account before anything is signed, until it is resumed', async () => {
    stage = await createStage()
    const anchorer = await stage.anchorer()
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    await spendNonce(stage.anvil, 1)
    await stage.seal()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'stuck', paused: null })
    await stage.anvil.mine()
    await until(() => anchorer.status().paused?.reason === 'key_used_elsewhere', { what: 'the pause' })
    await expect
      .poll(() => stage.events.at(-1))
      .toMatchObject({ type: 'paused', reason: 'key_used_elsewhere' })
    expect(await stage.attempts()).toHaveLength(1)

    expect(await resume()).toBe('key_used_elsewhere')
    const mined = await stage.untilAnchor(
      'another mined anchor',
      (anchor) => anchor.id === 2 && anchor.state === 'mined',
    )
    expect((await stage.attempts()).at(-1)).toMatchObject({ nonce: 2, anchorId: mined.id })
  })

  it('and takes the nonce of a transaction under way pauses once that is final; resumed, the anchor gets another nonce', async () => {
    stage = await createStage({ manual: true })
    const anchorer = await stage.anchorer()
    await stage.seal()
    await anchorer.tick()
    const [attempt] = await stage.attempts()
    await stage.anvil.dropTransaction(toHex(attempt!.hash))
    await spendNonce(stage.anvil, 0)
    await stage.anvil.mine()
    await stage.untilAnchor('a reason', (anchor) => anchor.reason === 'stuck')
    expect(anchorer.status().paused).toBeNull()
    await stage.anvil.mine(6)
    await stage.untilAnchor('the pause', (anchor) => anchor.reason === 'paused')
    expect(await readAccount(stage.pool, CHAIN_ID, PUBLISHER.address)).toMatchObject({
      pausedReason: 'key_used_elsewhere',
    })
    expect(await stage.attempts()).toHaveLength(1)

    await resume()
    await until(async () => (await stage.attempts()).length === 2, { what: 'another attempt' })
    await stage.anvil.mine()
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(await stage.attempts()).toMatchObject([
      { state: 'superseded', nonce: 0 },
      { state: 'mined', nonce: 1 },
    ])
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
    expect(await readAccount(stage.pool, CHAIN_ID, PUBLISHER.address)).toMatchObject({ resumedReason: null })
  })

  it('keeps a pause that was there first', async () => {
    stage = await createStage()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    await until(() => readAccount(stage.pool, CHAIN_ID, PUBLISHER.address), { what: 'the account' })
    const client = await stage.pool.connect()
    expect(await pauseAccount(client, CHAIN_ID, PUBLISHER.address, 'operator', 'by hand')).toBe(true)
    expect(await pauseAccount(client, CHAIN_ID, PUBLISHER.address, 'reverted', 'later')).toBe(false)
    client.release()
    await stage.seal()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'paused', detail: 'by hand' })
    expect(await stage.attempts()).toEqual([])
  })
})

describe('an error that nobody foresaw', () => {
  it('is said to hold the anchor up, without its words, and forgotten when it is over', async () => {
    stage = await createStage()
    let broken = true
    const anchorer = await stage.anchorer({
      faultPoint: (name) => {
        if (broken && name === 'attempt-signed') throw new Error('postgres://user:secret@host')
      },
    })
    await stage.seal()
    await anchorer.tick().catch(() => undefined)
    expect(anchorer.status()).toMatchObject({ reason: 'stuck', inFlight: { reason: 'stuck' } })
    expect(JSON.stringify(anchorer.status())).not.toContain('secret')
    broken = false
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    await until(() => anchorer.status().reason === null, { what: 'no reason' })
  })
})

describe('a transaction that fails on the chain', () => {
  /** INVALID: whatever is called burns all its gas. */
  const FAILING_CODE = '0xfe'

  it('is never bumped; once that is final, another nonce tries with twice the gas', async () => {
    stage = await createStage()
    const anchorer = await stage.anchorer()
    const { registry } = anchorer.status()
    const code = await stage.anvil.rpc('eth_getCode', [registry, 'latest'])
    await stage.anvil.rpc('anvil_setCode', [registry, FAILING_CODE])
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('a reason', (anchor) => anchor.detail?.startsWith('reverted') === true)
    expect(await stage.attempts()).toMatchObject([{ state: 'reverted', nonce: 0 }])
    await stage.anvil.rpc('anvil_setCode', [registry, code])
    await stage.anvil.mine(5)
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    const attempts = await stage.attempts()
    expect(attempts).toMatchObject([{ state: 'reverted' }, { state: 'mined', nonce: 1 }])
    expect(attempts[1]!.gasLimit).toBe(2 * attempts[0]!.gasLimit)
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
  })

  it('again and again pauses the account instead of burning its funds', async () => {
    stage = await createStage()
    const anchorer = await stage.anchorer()
    const { registry } = anchorer.status()
    const code = await stage.anvil.rpc('eth_getCode', [registry, 'latest'])
    await stage.anvil.rpc('anvil_setCode', [registry, FAILING_CODE])
    await stage.seal()
    await anchorer.tick()
    await until(
      async () => {
        await stage.anvil.mine()
        return anchorer.status().paused?.reason === 'reverted'
      },
      { what: 'the pause', every: 50 },
    )
    expect((await stage.attempts()).map((attempt) => attempt.state)).toEqual(['reverted', 'reverted'])
    await stage.anvil.rpc('anvil_setCode', [registry, code])
    await resume()
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
  })

  it('at a wrong registry goes to the right one as soon as an operator has corrected it', async () => {
    stage = await createStage()
    const right = stage.chain.registry
    const wrong = '0x00000000000000000000000000000000DeaDBeef'
    await stage.anvil.rpc('anvil_setCode', [wrong, FAILING_CODE])
    stage.chain.registry = wrong
    const misled = await stage.anchorer()
    await stage.seal()
    await misled.tick()
    await until(
      async () => {
        await stage.anvil.mine()
        return misled.status().paused?.reason === 'reverted'
      },
      { what: 'the pause', every: 50 },
    )
    await misled.close()

    stage.chain.registry = right
    stage.chain.mode = 'event'
    await resume()
    const anchorer = await stage.anchorer()
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(mined).toMatchObject({ registry: anchorer.status().registry, mode: 'event', reason: null })
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
  })

  it('without the event, as at an address that is no registry, is not taken for an anchor', async () => {
    stage = await createStage()
    const anchorer = await stage.anchorer()
    // STOP: succeeds and does nothing.
    await stage.anvil.rpc('anvil_setCode', [anchorer.status().registry, '0x00'])
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('a reason', (anchor) => anchor.detail?.startsWith('no_event') === true)
    expect(stage.events).toEqual([])
  })
})

describe('a transaction that an operator cancels', () => {
  it('gives its nonce to a no-op, and its anchor a new one once that is final', async () => {
    stage = await createStage({ manual: true })
    const anchorer = await stage.anchorer()
    await stage.seal()
    await anchorer.tick()
    const [first] = await stage.attempts()
    expect(await setAnchorWish(stage.pool, 1, 'cancel')).toBe(true)
    await until(async () => (await stage.attempts()).length === 2, { what: 'the no-op' })
    expect((await stage.attempts())[1]).toMatchObject({ kind: 'noop', nonce: first!.nonce })
    await stage.anvil.mine()
    await stage.untilAnchor('the no-op in a block', (anchor) => anchor.detail?.startsWith('noop') === true)
    expect(await stage.attempts()).toHaveLength(2)
    await stage.anvil.mine(5)
    await until(async () => (await stage.attempts()).length === 3, { what: 'a new attempt' })
    await stage.anvil.mine()
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(await stage.attempts()).toMatchObject([
      { kind: 'anchor', state: 'superseded', nonce: 0 },
      { kind: 'noop', state: 'mined', nonce: 0 },
      { kind: 'anchor', state: 'mined', nonce: 1 },
    ])
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
    expect(mined.wish).toBeNull()
  })

  it('but that is mined all the same is the anchor', async () => {
    stage = await createStage({ manual: true })
    const anchorer = await stage.anchorer()
    await stage.seal()
    await anchorer.tick()
    const [first] = await stage.attempts()
    await setAnchorWish(stage.pool, 1, 'cancel')
    await until(async () => (await stage.attempts())[1]?.state === 'sent', { what: 'the no-op' })
    await stage.anvil.dropTransaction(toHex((await stage.attempts())[1]!.hash))
    await stage.anvil.rpc('eth_sendRawTransaction', [toHex(first!.raw)])
    await stage.anvil.mine()
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(mined.transactionHash).toEqual(first!.hash)
  })

  it('is offered more at once when the wish is retry', async () => {
    stage = await createStage({ manual: true })
    await stage.seal()
    await (await stage.anchorer()).tick()
    await setAnchorWish(stage.pool, 1, 'retry')
    await until(async () => (await stage.attempts()).length === 2, { what: 'another attempt' })
    expect(await stage.attempts()).toMatchObject([{ nonce: 0 }, { nonce: 0, kind: 'anchor' }])
    expect((await stage.anchors())[0]!.wish).toBeNull()
  })
})

describe('a chain', () => {
  it('without the registry is not written to, and the reason says what to run', async () => {
    stage = await createStage({ deploy: false })
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    expect(anchorer.status().detail).toContain('holdfast deploy')
    expect(await stage.anchors()).toEqual([])
  })

  it('in event mode gets the event and no storage', async () => {
    stage = await createStage({ chain: { mode: 'event' } })
    await stage.seal()
    await (await stage.anchorer()).tick()
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(mined.gasUsed).toBeLessThan(23_400)
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
  })

  it('from before EIP-1559 gets legacy transactions', async () => {
    stage = await createStage({ anvilArgs: ['--hardfork', 'berlin'] })
    await stage.seal()
    await (await stage.anchorer()).tick()
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    const transaction = (await stage.anvil.rpc('eth_getTransactionByHash', [
      toHex(mined.transactionHash!),
    ])) as {
      type: string
    }
    expect(Number(transaction.type)).toBe(0)
    await stage.anvil.mine(5)
    await stage.untilAnchor('a final anchor', (anchor) => anchor.state === 'finalized')
  })

  it('that spends no more than the daily limit waits, and says so', async () => {
    stage = await createStage({ chain: { dailySpendLimitEth: '0.000000000001' } })
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'fee_cap' })
    expect(anchorer.status().detail).toContain('daily limit')
    expect(await stage.attempts()).toEqual([])
  })

  it('that has spent its daily limit waits until what it spent is 24 hours old', async () => {
    stage = await createStage()
    let later = 0
    const anchorer = await stage.anchorer({ clock: { now: () => Date.now() + later } })
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    const [first] = await stage.attempts()
    // As much as the first might have cost: more than the second may, and less than both.
    stage.chain.dailySpendLimitEth = formatEther(BigInt(first!.gasLimit) * first!.maxFeePerGas)
    await stage.seal()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'fee_cap', inFlight: null })
    expect(anchorer.status().detail).toContain(`${formatEther(first!.feePaid!)} was spent`)
    later = 23 * 3_600_000
    await anchorer.tick()
    expect(await stage.attempts()).toHaveLength(1)
    later = 24 * 3_600_000 + 5_000
    await stage.untilAnchor('the second', ({ id, state }) => id === 2 && state === 'mined')
    await until(() => anchorer.status().reason === null, { what: 'no reason' })
  })

  it('goes over the daily limit with an alarm when that is the policy', async () => {
    stage = await createStage({ chain: { dailySpendLimitEth: '0.000000000001', spendPolicy: 'alarm' } })
    await stage.seal()
    await (await stage.anchorer()).tick()
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(stage.logger.entries.some((entry) => entry.level === 'error' && /daily/.test(entry.message))).toBe(
      true,
    )
  })
})
