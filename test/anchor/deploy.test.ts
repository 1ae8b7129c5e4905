import { Transaction } from 'ethers'
import { afterEach, describe, expect, it } from 'vitest'
import { deployRegistry } from '../../src/anchor/contract/deploy.ts'
import { createEndpoints } from '../../src/anchor/rpc/endpoints.ts'
import { privateKeySigner } from '../../src/anchor/signers/signer.ts'
import { noMetrics } from '../../src/core/metrics.ts'
import { systemClock } from '../../src/core/ports.ts'
import { readAccount } from '../../src/store/chain/accounts.ts'
import { until } from '../support/wait.ts'
import { startFaultProxy } from './support/fault-proxy.ts'
import { createStage, PUBLISHER, type Stage } from './support/harness.ts'
import { recordingLogger } from './support/recording-logger.ts'

let stage: Stage
afterEach(() => stage?.close())

async function deploy(url: string, withinMs = 5_000) {
  const { chainId, fees, maxGas } = stage.chain
  const endpoints = createEndpoints({
    chainId,
    rpcUrls: [url],
    timeoutMs: 5_000,
    clock: systemClock,
    logger: recordingLogger(),
    metrics: noMetrics,
  })
  try {
    const signer = privateKeySigner(PUBLISHER.privateKey)
    return await deployRegistry({ endpoints, chainId, signer, fees, maxGas, pool: stage.pool, withinMs })
  } finally {
    endpoints.close()
  }
}

const nextNonce = async () => (await readAccount(stage.pool, 31337, PUBLISHER.address))?.nextNonce

describe('deploying with the key that a daemon waits with', () => {
  it('is not taken for a use of the key elsewhere, and the daemon goes on by itself', async () => {
    stage = await createStage({ deploy: false })
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    expect(anchorer.status().detail).toContain('holdfast deploy')
    await deploy(stage.anvil.url)
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(anchorer.status().paused).toBeNull()
    expect(await stage.attempts()).toMatchObject([{ nonce: 1 }])
  })

  it('is not taken for one either when it comes between the daemon’s look at its account and at the chain', async () => {
    stage = await createStage({ deploy: false })
    await stage.seal()
    const proxy = await startFaultProxy(stage.anvil.url)
    let deployed: Promise<unknown> | undefined
    // The account was read; whether the registry is there is asked now, and answered when it just came.
    proxy.before = async ({ method }) => {
      if (method !== 'eth_getCode') return
      deployed ??= deploy(stage.anvil.url)
      await deployed
    }
    const anchorer = await stage.anchorer({ chain: { ...stage.chain, rpcUrls: [proxy.url] } })
    await anchorer.tick()
    expect(deployed).toBeDefined()
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(anchorer.status().paused).toBeNull()
    expect(await stage.attempts()).toMatchObject([{ nonce: 1 }])
    await proxy.close()
  })

  it('that is refused leaves the nonce to the next anchor', async () => {
    stage = await createStage({ deploy: false })
    const anchorer = await stage.anchorer()
    await until(async () => (await nextNonce()) === 0, { what: 'the account' })
    const proxy = await startFaultProxy(stage.anvil.url)
    proxy.rule = ({ method }) =>
      method === 'eth_sendRawTransaction'
        ? { kind: 'error', code: -32000, message: 'transaction underpriced' }
        : undefined
    await expect(deploy(proxy.url)).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
    await proxy.close()
    expect(await nextNonce()).toBe(0)
    expect(anchorer.status().paused).toBeNull()
  })

  it.each([
    ['for its type', 'transaction type not supported', ({ type }: Transaction) => type === 0],
    [
      'for a tip that it names',
      'transaction underpriced: gas tip cap 1, minimum needed 5000000000',
      ({ maxPriorityFeePerGas }: Transaction) => maxPriorityFeePerGas! >= 5_000_000_000n,
    ],
  ] as const)('that is refused %s is signed anew on the same nonce', async (_why, message, isTaken) => {
    stage = await createStage({ deploy: false })
    const proxy = await startFaultProxy(stage.anvil.url)
    proxy.rule = ({ method, params }) =>
      method === 'eth_sendRawTransaction' && !isTaken(Transaction.from(params[0] as string))
        ? { kind: 'error', code: -32000, message }
        : undefined
    expect((await deploy(proxy.url)).transactionHash).toMatch(/^0x[0-9a-f]{64}$/)
    expect(proxy.count('eth_sendRawTransaction')).toBe(2)
    await proxy.close()
  })

  it('that is refused for a tip over the limit says both numbers', async () => {
    stage = await createStage({ deploy: false })
    const proxy = await startFaultProxy(stage.anvil.url)
    proxy.rule = ({ method }) =>
      method === 'eth_sendRawTransaction'
        ? {
            kind: 'error',
            code: -32000,
            message: 'transaction underpriced: gas tip cap 1, minimum needed 90000000000',
          }
        : undefined
    await expect(deploy(proxy.url)).rejects.toThrow('less than 90.0 gwei; fees.maxTipGwei is 20.')
    await proxy.close()
  })

  it.each([
    ['above the node’s, with a transaction on its way', 1, 'a transaction is on its way'],
    ['below the node’s, with the key used elsewhere', -1, 'something else uses this key'],
  ])('is refused while the account stands %s', async (_where, offset, why) => {
    stage = await createStage({ deploy: false })
    const anchorer = await stage.anchorer()
    await until(async () => (await nextNonce()) === 0, { what: 'the account' })
    await anchorer.close()
    await stage.anvil.setNonce(PUBLISHER.address, 1)
    await stage.pool.query('update account set next_nonce = $1, confirmed = true', [1 + offset])
    await expect(deploy(stage.anvil.url)).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining(why),
    })
    expect(await nextNonce()).toBe(1 + offset)
    expect(await stage.anvil.rpc('eth_getTransactionCount', [PUBLISHER.address, 'pending'])).toBe('0x1')
  })

  it('needs funds for the data fee of a rollup too', async () => {
    stage = await createStage({ deploy: false })
    const oracle = '0x420000000000000000000000000000000000000F'
    // Answers every call with 1,000 ether: PUSH9 value, PUSH1 0, MSTORE, PUSH1 32, PUSH1 0, RETURN.
    const value = (1_000n * 10n ** 18n).toString(16).padStart(18, '0')
    await stage.anvil.rpc('anvil_setCode', [oracle, `0x68${value}60005260206000f3`])
    await stage.anvil.setBalance(PUBLISHER.address, 1_000n * 10n ** 18n)
    await expect(deploy(stage.anvil.url)).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining('Send it funds'),
    })
  })

  it('whose reply is lost is found on the chain', async () => {
    stage = await createStage({ deploy: false })
    const proxy = await startFaultProxy(stage.anvil.url)
    proxy.rule = ({ method }) => (method === 'eth_sendRawTransaction' ? { kind: 'drop_reply' } : undefined)
    expect((await deploy(proxy.url)).transactionHash).toMatch(/^0x[0-9a-f]{64}$/)
    await proxy.close()
  })

  it('that no block takes is given up with a time that is said', async () => {
    stage = await createStage({ deploy: false, manual: true })
    await expect(deploy(stage.anvil.url, 600)).rejects.toMatchObject({
      code: 'CHAIN_UNAVAILABLE',
      message: expect.stringContaining('600 ms'),
    })
  })
})
