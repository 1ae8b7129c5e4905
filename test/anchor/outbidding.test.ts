import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import { setAnchorWish } from '../../src/store/chain/anchors.ts'
import { until } from '../support/wait.ts'
import { createStage, PUBLISHER, type Stage } from './support/harness.ts'

const GWEI = 1_000_000_000n
const FEES = { maxFeePerGasGwei: 100, minTipGwei: 1, maxTipGwei: 50, bumpAfterMs: 100 }

let stage: Stage
afterEach(() => stage?.close())

/** Mines blocks whose base fee keeps out everything that offers less, until the condition holds. */
async function mineExpensiveBlocks(
  baseFee: bigint,
  what: string,
  condition: () => Promise<boolean>,
): Promise<void> {
  await until(
    async () => {
      await stage.anvil.setNextBaseFee(baseFee)
      await stage.anvil.mine()
      return condition()
    },
    { what, every: 50 },
  )
}

describe('a transaction that is outbid', () => {
  it('is bumped by at least 12.5 % a time, on the same nonce, until a block takes it', async () => {
    stage = await createStage({ manual: true, chain: { fees: FEES } })
    await stage.seal()
    await (await stage.anchorer()).tick()
    const [first] = await stage.attempts()
    const spike = first!.maxFeePerGas * 2n
    await mineExpensiveBlocks(
      spike,
      'a mined anchor',
      async () => (await stage.anchors())[0]!.state === 'mined',
    )
    const attempts = await stage.attempts()
    expect(attempts.length).toBeGreaterThan(1)
    expect(new Set(attempts.map((attempt) => attempt.nonce)).size).toBe(1)
    for (const [i, attempt] of attempts.slice(1).entries()) {
      expect(attempt.maxFeePerGas * 8n).toBeGreaterThanOrEqual(attempts[i]!.maxFeePerGas * 9n)
      expect(attempt.maxPriorityFeePerGas * 8n).toBeGreaterThanOrEqual(attempts[i]!.maxPriorityFeePerGas * 9n)
    }
    expect([...(await stage.rootsOnChain()).values()]).toEqual([1])
  })

  it('is bumped after so many blocks where that comes first', async () => {
    const fees = { ...FEES, bumpAfterMs: 3_600_000, bumpAfterBlocks: 2 }
    stage = await createStage({ manual: true, chain: { fees } })
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    const sentAt = anchorer.status().head!
    for (const blocks of [1, 2]) {
      expect(await stage.attempts()).toHaveLength(1)
      await stage.anvil.setNextBaseFee(1_000n * GWEI)
      await stage.anvil.mine()
      await until(() => anchorer.status().head === sentAt + blocks, { what: `${blocks} blocks` })
    }
    await until(async () => (await stage.attempts()).length === 2, { what: 'a raise' })
  })

  it('all its life stops at the cap, says fee_cap, and is mined when fees fall, without anyone', async () => {
    stage = await createStage({
      manual: true,
      chain: { fees: { ...FEES, maxFeePerGasGwei: 8 }, resendAfterMs: 100 },
    })
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    await mineExpensiveBlocks(
      50n * GWEI,
      'fee_cap',
      async () => (await stage.anchors())[0]!.reason === 'fee_cap',
    )
    const capped = await stage.attempts()
    for (const attempt of capped) expect(attempt.maxFeePerGas).toBeLessThanOrEqual(8n * GWEI)
    await until(() => anchorer.status().reason === 'fee_cap', { what: 'the reason in status' })
    await mineExpensiveBlocks(
      GWEI,
      'a mined anchor',
      async () => (await stage.anchors())[0]!.state === 'mined',
    )
    // What the fees of the time refused may be offered anew, under the same cap.
    for (const attempt of await stage.attempts()) expect(attempt.maxFeePerGas).toBeLessThanOrEqual(8n * GWEI)
    await until(() => anchorer.status().reason === null, { what: 'no reason' })
  })

  it('may be mined by an older attempt: that one counts, the others never can', async () => {
    stage = await createStage({ manual: true })
    await stage.seal()
    await (await stage.anchorer()).tick()
    await setAnchorWish(stage.pool, 1, 'retry')
    await until(async () => (await stage.attempts())[1]?.state === 'sent', { what: 'a second attempt' })
    const attempts = await stage.attempts()
    for (const attempt of attempts) await stage.anvil.dropTransaction(toHex(attempt.hash))
    await stage.anvil.rpc('eth_sendRawTransaction', [toHex(attempts[0]!.raw)])
    await stage.anvil.mine()
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(mined.transactionHash).toEqual(attempts[0]!.hash)
    await stage.anvil.mine(5)
    await stage.untilAnchor('a final anchor', (anchor) => anchor.state === 'finalized')
    const states = (await stage.attempts()).map((attempt) => attempt.state)
    expect(states).toEqual(['mined', ...states.slice(1).map(() => 'superseded')])
  })

  it('is not bumped while the chain makes no blocks', async () => {
    stage = await createStage({ manual: true, chain: { fees: { ...FEES, bumpAfterMs: 1 } } })
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    const calls = anchorer.status().head
    await until(async () => (await stage.anchors())[0]!.reason === 'stuck', { what: 'the reason' })
    expect(await stage.attempts()).toHaveLength(1)
    expect(anchorer.status().head).toBe(calls)
  })
})

describe('fees over the cap at the tick', () => {
  it('sign nothing and fix no root: later batches still join, and fee_cap is said', async () => {
    stage = await createStage({
      manual: true,
      chain: { fees: { ...FEES, maxFeePerGasGwei: 8 } },
    })
    await stage.anvil.setNextBaseFee(50n * GWEI)
    await stage.anvil.mine()
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'fee_cap', inFlight: null, lastAnchor: null })
    await stage.seal()
    await mineExpensiveBlocks(
      GWEI,
      'a mined anchor',
      async () => (await stage.anchors())[0]?.state === 'mined',
    )
    expect((await stage.anchors())[0]).toMatchObject({ firstBatch: 1, lastBatch: 2 })
  })
})

describe('an account without funds', () => {
  it('signs nothing, says no_funds, keeps its nonce, and goes on when it is paid', async () => {
    stage = await createStage()
    await stage.anvil.setBalance(PUBLISHER.address, 1_000n)
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'no_funds', nextNonce: 0, inFlight: null })
    expect(anchorer.status().detail).toContain(PUBLISHER.address)
    expect(await stage.attempts()).toEqual([])
    await stage.anvil.setBalance(PUBLISHER.address, 10n ** 18n)
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    await until(() => anchorer.status().reason === null, { what: 'no reason' })
  })

  it('for a raise is sent the old bytes again, and goes on when it is paid', async () => {
    stage = await createStage({ manual: true, chain: { fees: FEES, resendAfterMs: 100 } })
    await stage.seal()
    await (await stage.anchorer()).tick()
    const [first] = await stage.attempts()
    const spike = first!.maxFeePerGas * 2n
    await stage.anvil.setBalance(PUBLISHER.address, BigInt(first!.gasLimit) * first!.maxFeePerGas + 1n)
    await mineExpensiveBlocks(
      spike,
      'no_funds',
      async () => (await stage.anchors())[0]!.reason === 'no_funds',
    )
    expect(await stage.attempts()).toMatchObject([{ hash: first!.hash }])
    await stage.anvil.setBalance(PUBLISHER.address, 10n ** 18n)
    await mineExpensiveBlocks(
      spike,
      'a mined anchor',
      async () => (await stage.anchors())[0]!.state === 'mined',
    )
  })
})
