import { Transaction } from 'ethers'
import { afterEach, describe, expect, it } from 'vitest'
import type { ChainConfig } from '../../src/core/chain-config.ts'
import { toHex } from '../../src/core/hash.ts'
import { until } from '../support/wait.ts'
import { type Fault, type FaultProxy, type RpcRequest, startFaultProxy } from './support/fault-proxy.ts'
import { createStage, type Stage } from './support/harness.ts'

const GWEI = 1_000_000_000n
const FEES = { maxFeePerGasGwei: 100, minTipGwei: 0.01, maxTipGwei: 50, bumpAfterMs: 3_600_000 }

let stage: Stage
let proxy: FaultProxy
afterEach(async () => {
  await stage?.close()
  await proxy?.close()
})

async function behindProxy(
  rule: (request: RpcRequest) => Fault | undefined,
  chain: Partial<ChainConfig> = {},
): Promise<void> {
  stage = await createStage({ chain: { fees: FEES, ...chain } })
  proxy = await startFaultProxy(stage.anvil.url)
  proxy.rule = rule
  stage.chain.rpcUrls = [proxy.url]
}

const isMined = ({ state }: { state: string }) => state === 'mined'
const refusal = (message: string): Fault => ({ kind: 'error', code: -32000, message })
const history =
  (result: unknown) =>
  (request: RpcRequest): Fault | undefined =>
    request.method === 'eth_feeHistory' ? { kind: 'result', result } : undefined
const answering =
  (methods: Record<string, Fault>) =>
  ({ method }: RpcRequest) =>
    methods[method]
const missing = refusal('the method does not exist')

/** Answers to sendings only, by what the transaction is. */
const sendings =
  (answer: (transaction: Transaction) => string | null) =>
  ({ method, params }: RpcRequest): Fault | undefined => {
    if (method !== 'eth_sendRawTransaction') return undefined
    const message = answer(Transaction.from(params[0] as string))
    return message === null ? undefined : refusal(message)
  }

describe('an anchor', () => {
  it.each([
    ['is missing', answering({ eth_feeHistory: missing })],
    ['is null', history(null)],
    ['is text', history('none')],
    ['is behind HTTP 403', answering({ eth_feeHistory: { kind: 'http', status: 403, body: 'forbidden' } })],
    [
      'has a base fee of null, as on Filecoin',
      history({ oldestBlock: '0x1', baseFeePerGas: null, reward: null }),
    ],
    ['has no base fee', history({ oldestBlock: '0x1' })],
    ['has base fees that are null', history({ baseFeePerGas: [null, null], reward: [['0x1']] })],
    [
      'is in decimal',
      history({
        baseFeePerGas: ['1000000000', '1000000000'],
        reward: [['2000000000']],
        gasUsedRatio: ['0.5'],
      }),
    ],
    [
      'is in numbers',
      history({ baseFeePerGas: [1_000_000_000, 1_000_000_000], reward: [[2]], gasUsedRatio: [1] }),
    ],
    ['has no rewards', history({ baseFeePerGas: ['0x3b9aca00', '0x3b9aca00'], reward: null })],
    [
      'has empty rewards',
      history({ baseFeePerGas: ['0x3b9aca00', '0x3b9aca00'], reward: [[]], gasUsedRatio: [0.5] }),
    ],
    ['has rewards of null', history({ baseFeePerGas: ['0x3b9aca00', '0x3b9aca00'], reward: [null, [null]] })],
    ['is all zeros', history({ baseFeePerGas: ['0x0', '0x0'], reward: [['0x0']], gasUsedRatio: [0] })],
    [
      'is missing, and so is a tip',
      answering({ eth_feeHistory: missing, eth_maxPriorityFeePerGas: missing }),
    ],
    [
      'is missing, and so are a tip and a gas price',
      answering({ eth_feeHistory: missing, eth_maxPriorityFeePerGas: missing, eth_gasPrice: missing }),
    ],
  ])('is mined by its first transaction where the fee history %s', async (_what, rule) => {
    await behindProxy(rule)
    await stage.seal()
    await (await stage.anchorer()).tick().catch(() => undefined)
    const mined = await stage.untilAnchor('a mined anchor', isMined)
    expect(await stage.attempts()).toHaveLength(1)
    const [attempt] = await stage.attempts()
    expect(Transaction.from(toHex(attempt!.raw)).type).toBe(2)
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
  })

  it.each([
    'transaction type not supported',
    'transaction type not supported: type 2 rejected, pool not yet in London',
    'Unsupported transaction type',
    'Transaction type EIP1559 is invalid, accepted transaction types are [FRONTIER]',
    'rlp: expected input list for types.LegacyTx',
  ])('gets another type where the node says "%s", and the next one gets it at once', async (message) => {
    await behindProxy(sendings(({ type }) => (type === 2 ? message : null)))
    const anchorer = await stage.anchorer()
    for (const id of [1, 2]) {
      await stage.seal()
      await anchorer.tick()
      await stage.untilAnchor('a mined anchor', (anchor) => anchor.id === id && isMined(anchor))
    }
    const types = (await stage.attempts()).map(({ raw }) => Transaction.from(toHex(raw)).type)
    expect(types).toEqual([2, 0, 0])
    expect((await stage.attempts()).map(({ nonce }) => nonce)).toEqual([0, 0, 1])
  })

  it.each([
    ['legacy', 0],
    ['eip1559', 2],
  ] as const)('is of the type that is configured: %s', async (type, expected) => {
    await behindProxy(() => undefined, { fees: { ...FEES, type } })
    await stage.seal()
    await (await stage.anchorer()).tick()
    await stage.untilAnchor('a mined anchor', isMined)
    const [attempt] = await stage.attempts()
    expect(Transaction.from(toHex(attempt!.raw)).type).toBe(expected)
  })
})

describe('a refusal that names what is wanted', () => {
  it.each([
    [
      'Polygon',
      'tip',
      (tip: bigint) => `transaction underpriced: gas tip cap ${tip}, minimum needed 25000000000`,
    ],
    [
      'Gnosis',
      'tip',
      (tip: bigint) => `FeeTooLow, EffectivePriorityFeePerGas too low ${tip} < 25000000000, BaseFee: 7`,
    ],
    ['BNB', 'tip', (tip: bigint) => `transaction underpriced: tip needed 25000000000, tip permitted ${tip}`],
    [
      'Besu',
      'tip',
      (tip: bigint) => `EffectivePriorityFeePerGas too low: ${tip} wei, 25000000000 wei needed`,
    ],
    [
      'Avalanche',
      'cap',
      (cap: bigint) =>
        `transaction underpriced: address 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 have gas fee cap (${cap}) < pool minimum fee cap (25000000000)`,
    ],
    ['a gateway', 'price', () => 'min gas price is 25 gwei'],
  ] as const)('is believed in one step, and remembered: %s', async (_node, field, message) => {
    await behindProxy(
      sendings(({ maxFeePerGas, maxPriorityFeePerGas }) => {
        const offered =
          field === 'cap' ? maxFeePerGas! : maxPriorityFeePerGas! + (field === 'price' ? GWEI : 0n)
        return offered >= 25n * GWEI ? null : message(offered)
      }),
    )
    const anchorer = await stage.anchorer()
    for (const id of [1, 2]) {
      await stage.seal()
      await anchorer.tick()
      await stage.untilAnchor('a mined anchor', (anchor) => anchor.id === id && isMined(anchor))
    }
    expect((await stage.attempts()).map(({ nonce }) => nonce)).toEqual([0, 0, 1])
  })

  it.each([
    [
      'a tip',
      'transaction underpriced: gas tip cap 1, minimum needed 80000000000',
      '80 gwei a gas unit; fees.maxTipGwei is 50.',
    ],
    [
      'a price',
      'transaction underpriced: address 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 have gas fee cap (1) < pool minimum fee cap (500000000000)',
      '500 gwei a gas unit; fees.maxFeePerGasGwei is 100.',
    ],
  ])(
    'over the limit is no reason to sign again, but one that is told: %s',
    async (_what, message, detail) => {
      await behindProxy(sendings(() => message))
      await stage.seal()
      let later = 0
      const anchorer = await stage.anchorer({ clock: { now: () => Date.now() + later } })
      await anchorer.tick()
      const waiting = await stage.untilAnchor('the reason', ({ reason }) => reason === 'fee_cap')
      expect(waiting.detail).toContain(detail)
      const looks = proxy.count('eth_blockNumber')
      await until(() => proxy.count('eth_blockNumber') > looks + 3, { what: 'three looks' })
      expect(await stage.attempts()).toHaveLength(1)
      // As soon as the node takes it all the same, it is mined, and the next one after a while.
      proxy.rule = () => undefined
      later = 120_001
      await stage.untilAnchor('a mined anchor', isMined)
      await stage.seal()
      await anchorer.tick()
      expect(anchorer.status()).toMatchObject({ reason: 'fee_cap', inFlight: null })
      later += 600_001
      await stage.untilAnchor('the next', ({ id, state }) => id === 2 && state === 'mined')
    },
  )

  it('too low without a number is answered with twice as much, until a node takes it', async () => {
    const isEnough = ({ maxPriorityFeePerGas }: Transaction) => maxPriorityFeePerGas! >= 5n * GWEI
    await behindProxy(sendings((transaction) => (isEnough(transaction) ? null : 'transaction underpriced')))
    await stage.seal()
    await (await stage.anchorer()).tick()
    await stage.untilAnchor('a mined anchor', isMined)
    const tips = (await stage.attempts()).map(({ maxPriorityFeePerGas }) => maxPriorityFeePerGas)
    expect(tips).toEqual(tips.map((_, i) => tips[0]! * 2n ** BigInt(i)))
    expect(tips.at(-1)).toBeLessThan(10n * GWEI)
  })
})

describe('a tip that recent blocks took and the limit forbids', () => {
  it('is reported with both numbers while the transaction is in no block', async () => {
    const rule = history({
      baseFeePerGas: ['0x3b9aca00', '0x3b9aca00'],
      reward: [['0x6fc23ac00']],
      gasUsedRatio: [0.5],
    })
    await behindProxy(rule, { fees: { ...FEES, maxTipGwei: 5 } })
    await stage.anvil.setAutomine(false)
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'fee_cap' })
    expect(anchorer.status().detail).toContain('a tip of 30 gwei a gas unit; fees.maxTipGwei is 5.')
    expect(await stage.attempts()).toMatchObject([{ maxPriorityFeePerGas: 5n * GWEI }])
    await stage.anvil.mine()
    await stage.untilAnchor('a mined anchor', isMined)
    await until(() => anchorer.status().reason === null, { what: 'no reason' })
  })
})
