import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import { createStage, type Stage } from './support/harness.ts'

let stage: Stage
afterEach(() => stage?.close())

/** Stops the anchorer dead at the named instant: it plans, signs, stores and sends nothing from then on. */
function dieAt(instant: string): { faultPoint: (name: string) => void; dead: () => boolean } {
  let dead = false
  return {
    dead: () => dead,
    faultPoint(name) {
      dead ||= name === instant
      if (dead) throw new Error(`dead since ${instant}`)
    },
  }
}

/** Lets an anchorer run into its end at the named instant. */
async function runUntilDead(instant: string): Promise<void> {
  const { dead, faultPoint } = dieAt(instant)
  const anchorer = await stage.anchorer({ faultPoint })
  // Either this tick's own pass or the timer's runs into it.
  await anchorer.tick().catch(() => undefined)
  expect(dead()).toBe(true)
  await anchorer.close()
}

describe('an anchorer that dies', () => {
  for (const instant of ['anchor-planned', 'attempt-signed']) {
    it(`at ${instant} has sent nothing; the next one anchors the same batches on the same nonce`, async () => {
      stage = await createStage()
      await stage.seal(3)
      await runUntilDead(instant)
      const [planned] = await stage.anchors()
      expect(planned).toMatchObject({ state: 'prepared', firstBatch: 1, lastBatch: 3 })
      expect(await stage.attempts()).toEqual([])
      expect(await stage.rootsOnChain()).toEqual(new Map())

      await stage.anchorer()
      const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
      expect(mined.root).toEqual(planned!.root)
      expect(await stage.attempts()).toMatchObject([{ nonce: 0 }])
      expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(planned!.root), 1]]))
    })
  }

  it('after storing and before sending: the next one sends the very bytes that were stored', async () => {
    stage = await createStage()
    await stage.seal()
    await runUntilDead('attempt-stored')
    expect(await stage.rootsOnChain()).toEqual(new Map())
    const [stored] = await stage.attempts()
    expect(stored).toMatchObject({ state: 'stored', sendCount: 0, nonce: 0 })

    await stage.anchorer({
      signer: { address: (await stage.anchors())[0]!.publisher, signTransaction: refuseToSign },
    })
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(mined.transactionHash).toEqual(stored!.hash)
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
  })

  it('after sending and before noting it: the next one finds the transaction and pays for no second', async () => {
    stage = await createStage()
    await stage.seal()
    await runUntilDead('after-send')
    await stage.anchorer({
      signer: { address: (await stage.anchors())[0]!.publisher, signTransaction: refuseToSign },
    })
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
    expect(await stage.attempts()).toHaveLength(1)
  })
})

function refuseToSign(): Promise<string> {
  return Promise.reject(new Error('nothing may be signed'))
}
