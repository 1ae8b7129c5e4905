import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import { resumeAccount } from '../../src/store/chain/accounts.ts'
import { until } from '../support/wait.ts'
import { createStage, PUBLISHER, type Stage } from './support/harness.ts'

let stage: Stage
afterEach(() => stage?.close())

describe('a reorg', () => {
  it('that empties the block sends the anchor back, and its bytes out again', async () => {
    stage = await createStage()
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    const before = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    await stage.anvil.reorg(1)
    const after = await stage.untilAnchor(
      'another block',
      (anchor) => anchor.state === 'mined' && !anchor.blockHash!.equals(before.blockHash!),
    )
    expect(after.transactionHash).toEqual(before.transactionHash)
    await expect
      .poll(() => stage.events.map((event) => event.type))
      .toEqual(['anchored', 'reorged', 'anchored'])
    await stage.anvil.mine(6)
    await stage.untilAnchor('a final anchor', (anchor) => anchor.state === 'finalized')
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(after.root), 1]]))
    expect(await stage.attempts()).toHaveLength(1)
  })

  it('that moves the transaction to another block refreshes block number, hash and time', async () => {
    stage = await createStage()
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    const before = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    await stage.anvil.mine(2)
    const [attempt] = await stage.attempts()
    await stage.anvil.reorg(3, [[toHex(attempt!.raw), 2]])
    const after = await stage.untilAnchor(
      'another block',
      (anchor) => anchor.state === 'mined' && anchor.blockNumber === before.blockNumber! + 2,
    )
    expect(after.blockHash).not.toEqual(before.blockHash)
    await expect.poll(() => stage.events.map((event) => event.type)).toContain('reorged')
    await stage.anvil.mine(6)
    await stage.untilAnchor('a final anchor', (anchor) => anchor.state === 'finalized')
  })

  it('that takes several anchors back brings all of them out again, in the order of their nonces', async () => {
    stage = await createStage()
    const anchorer = await stage.anchorer()
    for (let id = 1; id <= 3; id += 1) {
      await stage.seal()
      await anchorer.tick()
      await stage.untilAnchor('a mined anchor', (anchor) => anchor.id === id && anchor.state === 'mined')
    }
    await stage.anvil.reorg(3)
    await until(() => stage.events.filter((event) => event.type === 'reorged').length === 3, {
      what: 'three reorgs',
    })
    // Each is told before its bytes go out again, and what is mined after the last block made here is never final.
    await until(async () => (await stage.anchors()).every((anchor) => anchor.state === 'mined'), {
      what: 'all of them in blocks again',
    })
    await stage.anvil.mine(6)
    await stage.untilAnchor('a final anchor', (anchor) => anchor.state === 'finalized')
    const anchors = await stage.anchors()
    expect(anchors.map((anchor) => anchor.state)).toEqual(['finalized', 'finalized', 'finalized'])
    expect([...(await stage.rootsOnChain()).values()]).toEqual([1, 1, 1])
    expect((await stage.attempts()).map((attempt) => attempt.nonce)).toEqual([0, 1, 2])
  })

  it('past what was final stops the account and raises the alarm, until an operator resumes it', async () => {
    stage = await createStage({ chain: { confirmations: 1 } })
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    await stage.anvil.mine(1)
    const before = await stage.untilAnchor('a final anchor', (anchor) => anchor.state === 'finalized')
    await stage.anvil.reorg(2)
    await stage.anvil.mine(1)
    await stage.seal()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'stuck', paused: null })
    await stage.anvil.mine()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({
      reason: 'paused',
      paused: { reason: 'finality_contradicted' },
    })
    await expect
      .poll(() => stage.events.at(-1))
      .toMatchObject({ type: 'paused', reason: 'finality_contradicted' })
    expect(await stage.anchors()).toHaveLength(1)

    expect(await resumeAccount(stage.pool, 31337, PUBLISHER.address, 0)).toBe('finality_contradicted')
    await stage.untilAnchor('the next anchor', ({ id, state }) => id === 2 && state === 'mined')
    await stage.anvil.mine(2)
    await until(async () => (await stage.anchors()).every(({ state }) => state === 'finalized'), {
      what: 'both to be final',
    })
    const [again, next] = await stage.anchors()
    expect(again!.transactionHash).toEqual(before.transactionHash)
    expect(again!.blockHash).not.toEqual(before.blockHash)
    await expect.poll(() => stage.events.filter((event) => event.type === 'reorged')).toHaveLength(1)
    expect(await stage.rootsOnChain()).toEqual(
      new Map([again!, next!].map((anchor) => [toHex(anchor.root), 1])),
    )
    expect((await stage.attempts()).map(({ nonce }) => nonce)).toEqual([0, 1])
  })
})
