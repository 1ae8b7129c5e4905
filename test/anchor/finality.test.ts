import { parseEther } from 'ethers'
import { RpcAnswerError } from 'holdfast-client/json-rpc'
import { afterEach, describe, expect, it } from 'vitest'
import { anchorCall } from '../../src/anchor/contract/registry.ts'
import { dataFeeOf } from '../../src/anchor/fees/data-fee.ts'
import { planAnchor } from '../../src/anchor/plan.ts'
import { toHex } from '../../src/core/hash.ts'
import { noMetrics } from '../../src/core/metrics.ts'
import { anchorTree } from '../../src/merkle/anchor-tree.ts'
import { foldPath } from '../../src/merkle/path.ts'
import { acquireLease } from '../../src/store/connection/leases.ts'
import { until } from '../support/wait.ts'
import { type RpcRequest, startFaultProxy } from './support/fault-proxy.ts'
import { createStage, PUBLISHER, type Stage } from './support/harness.ts'

let stage: Stage | undefined
afterEach(async () => {
  await stage?.close()
  stage = undefined
})

describe('the newest final block', () => {
  const isTag = ({ method, params }: RpcRequest) =>
    method === 'eth_getBlockByNumber' && params[0] === 'finalized'

  it('is 64 below the head where the chain knows no finalized tag', async () => {
    stage = await createStage()
    const proxy = await startFaultProxy(stage.anvil.url)
    proxy.rule = (request) =>
      isTag(request) ? { kind: 'error', code: -32000, message: 'finalized block not found' } : undefined
    stage.chain.rpcUrls = [proxy.url]
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    const mined = await stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined')
    await stage.anvil.mine(63)
    await until(() => anchorer.status().finalizedHead === mined.blockNumber! - 1, { what: 'a look' })
    expect((await stage.anchors())[0]!.state).toBe('mined')
    await stage.anvil.mine(1)
    await stage.untilAnchor('a final anchor', ({ state }) => state === 'finalized')
    expect(anchorer.status().finality).toMatchObject({
      by: 'fallback',
      stalled: false,
      detail: expect.stringContaining('-32000: finalized block not found'),
    })
    await proxy.close()
  })

  it('is not guessed while an endpoint that told it before fails to', async () => {
    stage = await createStage()
    const proxy = await startFaultProxy(stage.anvil.url)
    stage.chain.rpcUrls = [proxy.url]
    await stage.anvil.mine(10)
    const anchorer = await stage.anchorer()
    const told = await until(() => anchorer.status().finalizedHead, { what: 'a final block' })
    proxy.rule = (request) =>
      isTag(request) ? { kind: 'error', code: -32603, message: 'internal error' } : undefined
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined')
    await stage.anvil.mine(100)
    const head = await stage.anvil.blockNumber()
    await until(() => anchorer.status().head === head, { what: 'a look at the new blocks' })
    expect(anchorer.status()).toMatchObject({ finalizedHead: told, finality: { by: 'earlier' } })
    expect((await stage.anchors())[0]!.state).toBe('mined')
    proxy.rule = () => undefined
    await stage.untilAnchor('a final anchor', ({ state }) => state === 'finalized')
    await proxy.close()
  })

  it('that stands still for an hour is reported, and anchoring goes on', async () => {
    stage = await createStage()
    const proxy = await startFaultProxy(stage.anvil.url)
    stage.chain.rpcUrls = [proxy.url]
    await stage.anvil.mine(10)
    const stuck = (await stage.anvil.rpc('eth_getBlockByNumber', ['finalized', false])) as object
    proxy.rule = (request) => (isTag(request) ? { kind: 'result', result: stuck } : undefined)
    const gauges = new Map<string, number>()
    let later = 0
    const anchorer = await stage.anchorer({
      clock: { now: () => Date.now() + later },
      metrics: { ...noMetrics, gauge: (name, value, ..._labels) => void gauges.set(name, value) },
    })
    await until(() => anchorer.status().finality?.by === 'tag', { what: 'a first look' })
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined')
    await stage.anvil.mine(80)
    later = 3_700_000
    await until(() => anchorer.status().finality?.stalled, { what: 'the report' })
    expect(anchorer.status().finality!.detail).toMatch(
      /finalized nothing past block \d+ since .*, while it went on/,
    )
    expect(gauges.get('holdfast_finality_age_seconds')).toBeGreaterThan(3_600)
    expect(stage.logger.entries.filter(({ message }) => message.includes('finalized nothing'))).toHaveLength(
      1,
    )
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('another mined anchor', ({ id, state }) => id === 2 && state === 'mined')
    expect((await stage.anchors())[0]!.state).toBe('mined')
    proxy.rule = () => undefined
    await stage.anvil.mine(6)
    await stage.untilAnchor('a final anchor', ({ state }) => state === 'finalized')
    await until(() => anchorer.status().finality?.stalled === false, { what: 'the end of the report' })
    await proxy.close()
  })
})

describe('an anchor', () => {
  it('is final after the configured confirmations', async () => {
    stage = await createStage({ chain: { confirmations: 2 } })
    await stage.seal()
    await (await stage.anchorer()).tick()
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    await stage.anvil.mine(1)
    await stage.anvil.mine(1)
    await stage.untilAnchor('a final anchor', (anchor) => anchor.state === 'finalized')
  })

  it('that is final never changes, whatever the chain does above it', async () => {
    stage = await createStage()
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    await stage.anvil.mine(6)
    const final = await stage.untilAnchor('a final anchor', (anchor) => anchor.state === 'finalized')
    await stage.anvil.reorg(2)
    await stage.anvil.mine(3)
    const head = await stage.anvil.blockNumber()
    await until(() => anchorer.status().head === head, { what: 'a look at the new blocks' })
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('the next anchor', ({ id, state }) => id === 2 && state === 'mined')
    expect((await stage.anchors())[0]).toEqual(final)
    await expect
      .poll(() => stage!.events.map((event) => event.type))
      .toEqual(['anchored', 'finalized', 'anchored'])
  })

  it('on a chain that became shorter is sent again and mined again', async () => {
    stage = await createStage({ chain: { resendAfterMs: 100 } })
    const snapshot = await stage.anvil.snapshot()
    await stage.seal()
    await (await stage.anchorer()).tick()
    const before = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    await stage.anvil.revert(snapshot)
    await until(async () => (await stage!.rootsOnChain()).size === 1, { what: 'the root on the chain again' })
    const after = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(after.transactionHash).toEqual(before.transactionHash)
    expect(await stage.attempts()).toHaveLength(1)
  })

  it('of many batches has a path for each, and what one tree cannot hold follows at once', async () => {
    stage = await createStage()
    const { pool, chain } = stage
    await pool.query(
      `insert into batch (id, leaf_count, root, first_received_at, last_received_at, first_index)
       select i, 10, sha256(i::text::bytea), now(), now(), i * 10 from generate_series(1, 2600) i`,
    )
    const lease = (await acquireLease(pool, 'anchor:31337', 'test', 60_000))!
    const options = {
      pool,
      lease,
      chain,
      publisher: PUBLISHER.address,
      anchorTree,
      anchorByOf: (ms: number) => ms,
    }
    expect(await planAnchor({ ...options, maxBatches: 1_300 })).toMatchObject({ batches: 1_300, full: true })
    expect(await planAnchor({ ...options, maxBatches: 1_301 })).toMatchObject({ batches: 1_300, full: false })
    expect(await planAnchor(options)).toBeNull()
    const { rows } = await pool.query(
      `select batch.root as leaf, path, anchor.root from anchor_batch
       join batch on batch.id = batch_id join anchor on anchor.id = anchor_id`,
    )
    expect(rows).toHaveLength(2_600)
    for (const { leaf, path, root } of rows) {
      const siblings = Array.from({ length: path.length / 32 }, (_, i) => path.subarray(i * 32, i * 32 + 32))
      expect(foldPath(leaf, siblings)).toEqual(root)
    }
  })
})

describe('batches that wait for the anchor before theirs', () => {
  it('have the reason backlog, and are anchored as soon as it is in a block', async () => {
    stage = await createStage({ manual: true })
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    await stage.seal()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'backlog', backlog: { batches: 1, leaves: 10 } })
    await stage.anvil.mine()
    await stage.untilAnchor('the next anchor', (anchor) => anchor.id === 2)
    await until(() => anchorer.status().reason === null, { what: 'no reason' })
  })
})

describe('a rollup of the OP stack', () => {
  const ORACLE = '0x420000000000000000000000000000000000000F'

  it('needs funds for its data fee too', async () => {
    stage = await createStage()
    // Answers every call with 0.5 ether: PUSH8, MSTORE at 0, RETURN 32 bytes.
    const half = parseEther('0.5').toString(16).padStart(16, '0')
    await stage.anvil.rpc('anvil_setCode', [ORACLE, `0x67${half}60005260206000f3`])
    await stage.anvil.setBalance(PUBLISHER.address, parseEther('0.9'))
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    expect(anchorer.status()).toMatchObject({ reason: 'no_funds' })
    await stage.anvil.setBalance(PUBLISHER.address, parseEther('1.1'))
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
  })

  it('is told from other chains once', async () => {
    let asked = 0
    const ask = async () => {
      asked += 1
      return '0x'
    }
    const memory = { noDataFee: false }
    const payload = { to: ORACLE, data: anchorCall('event', Buffer.alloc(32)), gasLimit: 1 }
    expect(await dataFeeOf(ask, payload, memory)).toBe(0n)
    expect(await dataFeeOf(ask, payload, memory)).toBe(0n)
    expect(asked).toBe(1)
  })

  it('is told from other chains by a call that reverts, and not by an endpoint that cannot answer now', async () => {
    const payload = { to: ORACLE, data: anchorCall('event', Buffer.alloc(32)), gasLimit: 1 }
    const memory = { noDataFee: false }
    const failing = (code: number, message: string) => async (): Promise<never> => {
      throw new RpcAnswerError(code, message)
    }
    for (const [code, message] of [
      [-32005, 'daily request count exceeded'],
      [-32603, 'internal error'],
      [-32000, 'header not found'],
    ] as const) {
      await expect(dataFeeOf(failing(code, message), payload, memory)).rejects.toThrow(message)
      expect(memory.noDataFee).toBe(false)
    }
    expect(await dataFeeOf(failing(3, 'execution reverted'), payload, memory)).toBe(0n)
    expect(memory.noDataFee).toBe(true)
  })
})

describe('what a transaction cost', () => {
  it('is reckoned from its own gas price where the receipt does not say it', async () => {
    stage = await createStage()
    const proxy = await startFaultProxy(stage.anvil.url)
    proxy.edit = ({ method }, result) => {
      if (method === 'eth_getTransactionReceipt' && result !== null) {
        delete (result as { effectiveGasPrice?: string }).effectiveGasPrice
      }
    }
    stage.chain.rpcUrls = [proxy.url]
    await stage.seal()
    await (await stage.anchorer()).tick()
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    const [attempt] = await stage.attempts()
    const receipt = (await stage.anvil.rpc('eth_getTransactionReceipt', [toHex(mined.transactionHash!)])) as {
      effectiveGasPrice: string
    }
    expect(attempt!.feePaid).toBe(BigInt(mined.gasUsed!) * BigInt(receipt.effectiveGasPrice))
    await proxy.close()
  })
})

describe('the balance', () => {
  it('is forecast in days from what was paid', async () => {
    stage = await createStage()
    await stage.seal()
    const first = await stage.anchorer()
    await first.tick()
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    const [attempt] = await stage.attempts()
    expect(attempt!.feePaid).toBeGreaterThan(0n)
    await first.close()
    const second = await stage.anchorer()
    const days = await until(() => second.status().balanceDays, { what: 'a forecast' })
    // All of it was paid within the first hour: 24 times that is a day's.
    const balance = BigInt(second.status().balanceWei!)
    expect(days).toBeCloseTo(Number(balance / (attempt!.feePaid! * 24n)), -2)
  })
})

describe('an endpoint that answers, but not what is needed', () => {
  it('is left aside for another', async () => {
    stage = await createStage()
    const proxy = await startFaultProxy(stage.anvil.url)
    proxy.rule = ({ method }) =>
      method === 'eth_getTransactionCount'
        ? { kind: 'error', code: -32601, message: 'no such method' }
        : undefined
    stage.chain.rpcUrls = [proxy.url, stage.anvil.url]
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick().catch(() => undefined)
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
    await proxy.close()
  })
})
