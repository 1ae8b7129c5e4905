import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../support/wait.ts'
import { type Fault, type FaultProxy, type RpcRequest, startFaultProxy } from './support/fault-proxy.ts'
import { createStage, type Stage } from './support/harness.ts'

const ORACLE = '0x420000000000000000000000000000000000000f'

let stage: Stage
let proxy: FaultProxy
afterEach(async () => {
  await stage?.close()
  await proxy?.close()
})

const error = (code: number, message: string): Fault => ({ kind: 'error', code, message })
const isOracle = ({ method, params }: RpcRequest) =>
  method === 'eth_call' && (params[0] as { to?: string }).to?.toLowerCase() === ORACLE
const when =
  (matches: (request: RpcRequest) => boolean, fault: Fault) =>
  (request: RpcRequest): Fault | undefined =>
    matches(request) ? fault : undefined
const asked = (method: string) => (request: RpcRequest) => request.method === method

/** What stands in the way of no anchor: the answers of nodes that were seen, and worse. */
const ODDITIES: [string, (request: RpcRequest) => Fault | undefined][] = [
  ['a fee oracle that answers "Bad instruction"', when(isOracle, error(-32015, 'Bad instruction'))],
  [
    'a fee oracle that answers "no contract code"',
    when(isOracle, error(-32000, 'no contract code at given address')),
  ],
  ['a fee oracle that is not asked by a missing method', when(isOracle, error(-32601, 'method not found'))],
  ['a fee oracle with an internal error', when(isOracle, error(-32603, 'internal error'))],
  ['a fee oracle that answers garbage', when(isOracle, { kind: 'result', result: 'garbage' })],
  ['a fee oracle that answers null', when(isOracle, { kind: 'result', result: null })],
  ['a fee oracle behind HTTP 403', when(isOracle, { kind: 'http', status: 403, body: 'forbidden' })],
  ['no balance', when(asked('eth_getBalance'), error(-32601, 'method not found'))],
  ['a balance that is null', when(asked('eth_getBalance'), { kind: 'result', result: null })],
  [
    'a balance behind HTTP 403',
    when(asked('eth_getBalance'), { kind: 'http', status: 403, body: 'forbidden' }),
  ],
  ['no code', when(asked('eth_getCode'), error(-32601, 'method not found'))],
  ['code that is null', when(asked('eth_getCode'), { kind: 'result', result: null })],
]

describe('an anchor', () => {
  it.each(ODDITIES)('is mined and final through an endpoint with %s', async (_name, rule) => {
    stage = await createStage()
    proxy = await startFaultProxy(stage.anvil.url)
    proxy.rule = rule
    stage.chain.rpcUrls = [proxy.url]
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick().catch(() => undefined)
    await stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined')
    await stage.anvil.mine(6)
    await stage.untilAnchor('a final anchor', ({ state }) => state === 'finalized')
    await until(() => anchorer.status().reason === null, { what: 'no reason' })
  })

  it.each([
    ['a data fee in decimal', { l1Fee: '1234' }, 1234n],
    ['a data fee that is none', { l1Fee: '0x' }, 0n],
    ['a decimal scalar', { l1FeeScalar: '0.684', l1Fee: '0x10' }, 16n],
  ])('is mined by a receipt with %s', async (_name, fields, dataFee) => {
    stage = await createStage()
    proxy = await startFaultProxy(stage.anvil.url)
    proxy.edit = ({ method }, result) => {
      if (method === 'eth_getTransactionReceipt' && result !== null) Object.assign(result as object, fields)
    }
    stage.chain.rpcUrls = [proxy.url]
    await stage.seal()
    await (await stage.anchorer()).tick()
    const mined = await stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined')
    const [attempt] = await stage.attempts()
    const receipt = (await stage.anvil.rpc('eth_getTransactionReceipt', [
      `0x${mined.transactionHash!.toString('hex')}`,
    ])) as { effectiveGasPrice: string; gasUsed: string }
    expect(attempt!.feePaid).toBe(BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice) + dataFee)
  })

  it('is mined by a receipt without gas or price, whose cost is then not known', async () => {
    stage = await createStage()
    proxy = await startFaultProxy(stage.anvil.url)
    proxy.edit = ({ method }, result) => {
      if (method !== 'eth_getTransactionReceipt' || result === null) return
      Object.assign(result as object, { gasUsed: null, effectiveGasPrice: 'odd', status: null })
    }
    stage.chain.rpcUrls = [proxy.url]
    await stage.seal()
    await (await stage.anchorer()).tick()
    const mined = await stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined')
    expect(mined.gasUsed).toBeNull()
    expect(await stage.attempts()).toMatchObject([{ feePaid: null }])
  })
})

describe('a question that anchoring can do without', () => {
  it('is null in the status, and logged once, while it fails; and again when it is answered', async () => {
    stage = await createStage()
    proxy = await startFaultProxy(stage.anvil.url)
    proxy.rule = when(asked('eth_getBalance'), error(-32000, 'no state'))
    stage.chain.rpcUrls = [proxy.url]
    let later = 0
    const anchorer = await stage.anchorer({ clock: { now: () => Date.now() + later } })
    const heads = proxy.count('eth_blockNumber')
    await stage.seal()
    await anchorer.tick()
    await until(() => proxy.count('eth_blockNumber') > heads + 5, { what: 'five looks' })
    expect(anchorer.status()).toMatchObject({ balanceWei: null, balanceDays: null, reason: null })
    const warnings = () => stage.logger.entries.filter(({ message }) => /can do without/.test(message))
    expect(warnings()).toHaveLength(1)
    proxy.rule = () => undefined
    later = 61_000
    await until(() => anchorer.status().balanceWei !== null, { what: 'the balance' })
    expect(stage.logger.entries.some(({ message }) => /optional question again/.test(message))).toBe(true)
  })
})
