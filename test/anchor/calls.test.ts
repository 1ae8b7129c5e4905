/**
 * How many calls a look at a chain costs. Public endpoints take a few a second, and paid ones charge for each. A change
 * that makes a look dearer has to say so here.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../support/wait.ts'
import { type FaultProxy, type RpcRequest, startFaultProxy } from './support/fault-proxy.ts'
import { createStage, type Stage } from './support/harness.ts'

let stage: Stage
let proxy: FaultProxy
afterEach(async () => {
  await stage.close()
  await proxy.close()
})

function nameOf({ method, params }: RpcRequest): string {
  const name = method.replace(/^eth_(get)?/, '')
  return name === 'BlockByNumber' && params[0] === 'finalized' ? 'finalized' : name
}

/** What was asked since the last time, in order. */
const taken = () => proxy.requests.splice(0).map(nameOf)

/** What the next whole look on the timer asks. */
async function nextLook(): Promise<string[]> {
  proxy.requests.splice(0)
  const asked = await until(
    () => {
      const names = proxy.requests.map(nameOf)
      const first = names.indexOf('blockNumber')
      const next = names.indexOf('blockNumber', first + 1)
      return next > first && names.slice(first, next)
    },
    { what: 'two looks' },
  )
  return asked
}

/** After its first look. */
async function started(pollIntervalMs = 3_600_000): Promise<Awaited<ReturnType<Stage['anchorer']>>> {
  stage = await createStage({ chain: { pollIntervalMs } })
  proxy = await startFaultProxy(stage.anvil.url)
  stage.chain.rpcUrls = [proxy.url]
  const anchorer = await stage.anchorer()
  await until(() => anchorer.status().head !== null, { what: 'a first look' })
  return anchorer
}

/** After its second look, at another block: the key's nonce is certain. */
async function looking(pollIntervalMs?: number): Promise<Awaited<ReturnType<Stage['anchorer']>>> {
  const anchorer = await started(pollIntervalMs)
  await stage.anvil.mine(1)
  await anchorer.tick()
  return anchorer
}

describe('a look', () => {
  it('at start asks for the chain, the nonces, what is final and the balance', async () => {
    await started()
    expect(taken()).toEqual([
      'chainId',
      'blockNumber',
      'finalized',
      'TransactionCount',
      'TransactionCount',
      'Balance',
    ])
  })

  it('that anchors for the first time costs ten calls, and seven later', async () => {
    const anchorer = await looking()
    taken()
    await stage.seal()
    await anchorer.tick()
    const common = ['blockNumber', 'finalized', 'TransactionCount']
    expect(taken()).toEqual([
      ...common,
      // Whether the chain is the one that earlier anchors are on.
      'BlockByNumber',
      'Code',
      'estimateGas',
      'feeHistory',
      'call',
      'Balance',
      'sendRawTransaction',
    ])
    await anchorer.tick()
    taken()
    await stage.seal()
    await anchorer.tick()
    expect(taken()).toEqual([...common, 'BlockByNumber', 'feeHistory', 'Balance', 'sendRawTransaction'])
  })

  it('costs four calls while a transaction is in no block, and three while its block is not final', async () => {
    const anchorer = await looking(50)
    await stage.anvil.setAutomine(false)
    await stage.seal()
    await anchorer.tick()
    expect(await nextLook()).toEqual(['blockNumber', 'finalized', 'TransactionCount', 'TransactionReceipt'])
    await stage.anvil.mine(1)
    await stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined')
    expect(await nextLook()).toEqual(['blockNumber', 'finalized', 'BlockByNumber'])
  })

  it('with nothing to do costs one call', async () => {
    await looking(50)
    expect(await nextLook()).toEqual(['blockNumber'])
  })
})
