import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type FaultProxy, startFaultProxy } from '../anchor/support/fault-proxy.ts'
import { createStage, type Stage } from '../anchor/support/harness.ts'
import { until } from '../support/wait.ts'

let stage: Stage
let proxy: FaultProxy
/** Bytes that arrived at the chain's door, and whether the database knew them at that moment. */
let sendings: { raw: string; stored: boolean }[]

beforeEach(async () => {
  stage = await createStage({
    manual: true,
    chain: {
      fees: { maxFeePerGasGwei: 100, minTipGwei: 0.001, maxTipGwei: 20, bumpAfterMs: 100 },
      resendAfterMs: 100,
    },
  })
  proxy = await startFaultProxy(stage.anvil.url)
  stage.chain.rpcUrls = [proxy.url]
  sendings = []
  proxy.before = async ({ method, params }) => {
    if (method !== 'eth_sendRawTransaction') return
    const raw = params[0] as string
    const { rowCount } = await stage.pool.query('select 1 from attempt where raw = $1', [
      Buffer.from(raw.slice(2), 'hex'),
    ])
    sendings.push({ raw, stored: rowCount === 1 })
  }
})
afterEach(async () => {
  await stage.close()
  await proxy.close()
})

describe('bytes that leave for a chain', () => {
  it('are stored and committed at that moment: first sendings, repeats and raises alike', async () => {
    // Taken and never passed on: blocks go by without it, so that it is repeated and outbid.
    proxy.rule = ({ method }) =>
      method === 'eth_sendRawTransaction'
        ? { kind: 'result', result: `0x${'00'.repeat(32)}`, forward: false }
        : undefined
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    await until(
      async () => {
        await stage.anvil.mine()
        return (await stage.attempts()).length >= 3
      },
      { what: 'raises', every: 60 },
    )
    await anchorer.close()
    proxy.rule = () => undefined
    await stage.anvil.setAutomine(true)
    await stage.anchorer()
    await stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined' || state === 'finalized')

    expect(new Set(sendings.map(({ raw }) => raw)).size).toBeGreaterThanOrEqual(3)
    expect(sendings.length).toBeGreaterThan(3)
    expect(sendings.filter(({ stored }) => !stored)).toEqual([])
  })
})
