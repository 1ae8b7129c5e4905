import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import { createStage, type Stage } from './support/harness.ts'

let stage: Stage
afterEach(() => stage?.close())

describe('an anchorer', () => {
  it('puts one root over all sealed batches on the chain and follows it until it is final', async () => {
    stage = await createStage()
    await stage.seal(5)
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(mined).toMatchObject({ firstBatch: 1, lastBatch: 5, leafCount: 50, reason: null })
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))

    await stage.anvil.mine(5)
    const final = await stage.untilAnchor('a final anchor', (anchor) => anchor.state === 'finalized')
    expect(final.blockHash).toEqual(mined.blockHash)
    await expect.poll(() => stage.events.map((event) => event.type)).toEqual(['anchored', 'finalized'])
    expect(await stage.attempts()).toMatchObject([{ nonce: 0, state: 'mined', sendCount: 1 }])
  })

  it('sends nothing at a tick with nothing to anchor', async () => {
    stage = await createStage()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    expect(await stage.anchors()).toEqual([])
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    await anchorer.tick()
    expect(await stage.anchors()).toHaveLength(1)
  })

  it('lets later batches join the next anchor while one is in no block', async () => {
    stage = await createStage()
    await stage.seal()
    await stage.anvil.setAutomine(false)
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    await stage.seal(2)
    await anchorer.tick()
    await stage.seal()
    await anchorer.tick()
    expect(await stage.anchors()).toHaveLength(1)
    await stage.anvil.mine()
    const next = await stage.untilAnchor('the next anchor', (anchor) => anchor.id === 2)
    expect(next).toMatchObject({ firstBatch: 2, lastBatch: 4 })
  })
})
