import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { type AnchorContext, emptyMemory } from '../../src/anchor/context.ts'
import { explain, pause, wait } from '../../src/anchor/explain.ts'
import { applyFinding } from '../../src/anchor/follow.ts'
import { planAnchor } from '../../src/anchor/plan.ts'
import { createEndpoints } from '../../src/anchor/rpc/endpoints.ts'
import { privateKeySigner } from '../../src/anchor/signers/signer.ts'
import { callOf, outbid, sendAttempt, submitAnchor } from '../../src/anchor/submit.ts'
import { toHex } from '../../src/core/hash.ts'
import { noMetrics } from '../../src/core/metrics.ts'
import { systemClock } from '../../src/core/ports.ts'
import { anchorTree } from '../../src/merkle/anchor-tree.ts'
import { readAccount } from '../../src/store/chain/accounts.ts'
import { acquireLease } from '../../src/store/connection/leases.ts'
import { type ChildRun, runProcess, typescriptArgs } from '../support/process.ts'
import { until } from '../support/wait.ts'
import { startFaultProxy } from './support/fault-proxy.ts'
import { createStage, PUBLISHER, type Stage } from './support/harness.ts'

const LONE_ANCHORER = fileURLToPath(new URL('support/lone-anchorer.ts', import.meta.url))

let stage: Stage
afterEach(() => stage?.close())

describe('two daemons on one chain', () => {
  it('anchor once: the one without the lease does nothing', async () => {
    stage = await createStage()
    const first = await stage.anchorer()
    await until(() => first.status().leader, { what: 'a leader' })
    const second = await stage.anchorer()
    await stage.seal()
    await Promise.all([first.tick(), second.tick()])
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(second.status().leader).toBe(false)
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
    expect(await stage.anchors()).toHaveLength(1)
  })

  it('hand over at once when the leader closes', async () => {
    stage = await createStage()
    const first = await stage.anchorer({ leaseTtlMs: 60_000 })
    await until(() => first.status().leader, { what: 'a leader' })
    const second = await stage.anchorer({ leaseTtlMs: 60_000 })
    await first.close()
    await stage.seal()
    await until(
      async () => {
        await second.tick()
        return (await stage.anchors()).length === 1
      },
      { what: 'the second to anchor' },
    )
  })

  it('hand over when the leader hangs past its lease; woken up again, it can write nothing', async () => {
    stage = await createStage()
    let wake: () => void = () => {}
    const asleep = new Promise<void>((resolve) => {
      wake = resolve
    })
    let sleeping = false
    // As SIGSTOP between signing and storing: the lease is not renewed, and nothing of it moves.
    const first = await stage.anchorer({
      leaseTtlMs: 200,
      faultPoint: (name) => {
        if (name !== 'attempt-signed') return undefined
        sleeping = true
        return asleep
      },
    })
    await stage.pool.query(`update lease set until = 'infinity'`)
    await stage.seal()
    const woken = first.tick().catch((error: unknown) => error)
    await until(() => sleeping, { what: 'the leader to hang' })
    // Its timer would still renew here, which a stopped process cannot.
    await stage.pool.query(`update lease set epoch = epoch + 1, owner = 'nobody', until = '-infinity'`)

    const second = await stage.anchorer()
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    wake()
    await woken
    await until(() => !first.status().leader, { what: 'the first to know' })
    expect(second.status().leader).toBe(true)
    expect(await stage.attempts()).toHaveLength(1)
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
    expect(stage.logger.entries.some((entry) => JSON.stringify(entry.fields).includes('LEASE_LOST'))).toBe(
      true,
    )
  })

  it('hand over between storing and sending: the new leader sends the stored bytes, the old one at most again', async () => {
    stage = await createStage()
    let wake: () => void = () => {}
    const asleep = new Promise<void>((resolve) => {
      wake = resolve
    })
    let sleeping = false
    const first = await stage.anchorer({
      faultPoint: (name) => {
        if (name !== 'attempt-stored') return undefined
        sleeping = true
        return asleep
      },
    })
    await stage.seal()
    const woken = first.tick().catch((error: unknown) => error)
    await until(() => sleeping, { what: 'the leader to hang' })
    await stage.pool.query(`update lease set epoch = epoch + 1, owner = 'nobody', until = '-infinity'`)
    await stage.anchorer()
    const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    wake()
    await woken
    expect(await stage.attempts()).toHaveLength(1)
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
  })
})

// Each starts a process, which a loaded machine takes its time for.
describe('a process that is stopped past its lease', { timeout: 120_000 }, () => {
  let child: ChildRun | undefined
  afterEach(async () => {
    child?.kill('SIGKILL')
    await child?.exit()
    child = undefined
  })

  for (const instant of ['attempt-signed', 'attempt-stored', 'after-send']) {
    it(`at ${instant} is stood in for; going on, it writes nothing and knows why`, async () => {
      stage = await createStage()
      await stage.seal()
      const chain = JSON.stringify(stage.chain)
      child = runProcess(process.execPath, [
        ...typescriptArgs(LONE_ANCHORER),
        ...[stage.databaseUrl, chain, instant, '1000'],
      ])
      const { pid } = child
      await until(() => isStopped(pid), { what: 'the leader to stop', within: 60_000 })
      const second = await stage.anchorer({ leaseTtlMs: 60_000 })
      await until(() => second.status().leader, { what: 'the second to lead' })
      const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
      const before = await stage.attempts()
      expect(before).toHaveLength(1)
      child.kill('SIGCONT')
      await child.waitFor(/does not anchor any more/, 30_000)
      expect(await stage.attempts()).toEqual(before)
      expect(await stage.anchors()).toEqual([mined])
      expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
    })
  }

  function isStopped(pid: number): boolean {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')
  }
})

describe('a daemon that leads no more', () => {
  it('says how things stand now, not how they stood when it could not reach the chain', async () => {
    stage = await createStage()
    const proxy = await startFaultProxy(stage.anvil.url)
    const gauges = new Map<string, number>()
    const direct = stage.chain.rpcUrls
    stage.chain.rpcUrls = [proxy.url]
    const first = await stage.anchorer({
      metrics: { ...noMetrics, gauge: (name, value, ..._labels) => void gauges.set(name, value) },
    })
    await until(() => first.status().head !== null, { what: 'a first look' })
    proxy.rule = () => ({ kind: 'drop_request' })
    await stage.seal()
    await stage.pool.query(`update batch set first_received_at = now() - interval '1 hour'`)
    await first.tick().catch(() => undefined)
    await until(() => first.status().reason === 'rpc_down', { what: 'the reason' })
    expect(gauges.get('holdfast_anchor_late_seconds')).toBeGreaterThan(3_000)

    await stage.pool.query(`update lease set epoch = epoch + 1, owner = 'nobody', until = '-infinity'`)
    stage.chain.rpcUrls = direct
    const second = await stage.anchorer()
    await until(
      async () => {
        await second.tick()
        return (await stage.anchors())[0]?.state === 'mined'
      },
      { what: 'a mined anchor' },
    )
    await until(() => first.status().lastAnchor?.state === 'mined' && first.status().reason === null, {
      what: 'the first to say what the second did',
    })
    expect(first.status()).toMatchObject({ leader: false, head: null, backlog: { batches: 0 } })
    expect(gauges.get('holdfast_anchor_late_seconds')).toBe(0)
    expect(gauges.get('holdfast_balance_wei')).toBeNaN()
    await proxy.close()
  })
})

describe('a leader whose epoch has passed', () => {
  it('is refused every kind of write by the database', async () => {
    stage = await createStage({ manual: true })
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    await anchorer.close()
    await stage.seal()
    const { pool, chain } = stage
    const [anchor] = await stage.anchors()
    const [attempt] = await stage.attempts()
    const stale = (await acquireLease(pool, 'anchor:31337', 'stale', 60_000))!
    await pool.query(`update lease set epoch = epoch + 1, owner = 'another'`)
    const context: AnchorContext = {
      pool,
      lease: stale,
      chain,
      registry: anchor!.registry,
      endpoints: createEndpoints({
        ...chain,
        timeoutMs: 1_000,
        clock: systemClock,
        logger: stage.logger,
        metrics: noMetrics,
      }),
      signer: privateKeySigner(PUBLISHER.privateKey),
      anchorTree,
      anchorByOf: (ms) => ms,
      clock: systemClock,
      logger: stage.logger,
      metrics: noMetrics,
      onEvent: () => {},
      memory: emptyMemory(),
    }
    const account = (await readAccount(pool, chain.chainId, PUBLISHER.address))!
    const prepared = { ...anchor!, state: 'prepared' as const }
    const receipt = {
      succeeded: true,
      blockNumber: 1,
      blockHash: Buffer.alloc(32),
      gasUsed: 1,
      feePaid: 1n,
      logs: [],
    }
    const block = { number: 1, hash: Buffer.alloc(32), time: new Date() }
    const offer = { legacy: false, maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 10n ** 10n }
    const payload = { ...callOf(anchor!), gasLimit: 60_000 }
    const before = await dump()
    const writes = {
      plan: () => planAnchor({ ...context, publisher: PUBLISHER.address }),
      submit: () => submitAnchor(context, prepared, 1, payload, offer),
      outbid: () => outbid(context, anchor!, 'anchor', 0, payload, offer),
      send: () => sendAttempt(context, attempt!),
      mined: () =>
        applyFinding(context, anchor!, { kind: 'mined', attempt: attempt!, receipt, block, final: true }),
      spent: () =>
        applyFinding(context, anchor!, {
          kind: 'spent',
          why: 'noop',
          attempt: attempt!,
          receipt,
          block,
          final: true,
        }),
      reorged: () => applyFinding(context, anchor!, { kind: 'reorged' }),
      explain: () => explain(context, anchor!, { reason: 'stuck', detail: 'stale' }),
      wait: () => wait(context, { reason: 'stuck', detail: 'stale' }),
      pause: () => pause(context, account, 'reverted', 'stale'),
    }
    for (const [name, write] of Object.entries(writes)) {
      await expect(write(), name).rejects.toMatchObject({ code: 'LEASE_LOST' })
    }
    expect(await dump()).toEqual(before)
    context.endpoints.close()
  })

  async function dump(): Promise<unknown> {
    const tables = ['anchor', 'anchor_batch', 'attempt', 'account']
    return Promise.all(tables.map(async (table) => (await stage.pool.query(`select * from ${table}`)).rows))
  }
})

describe('a tick that nobody was there for', () => {
  it('is made up for by the next daemon, without waiting for the next tick', async () => {
    stage = await createStage()
    await stage.seal()
    await stage.pool.query(`update batch set first_received_at = now() - interval '1 hour'`)
    const within = stage.chain.anchorWithinMs
    await stage.anchorer({ anchorByOf: (receivedAtMs) => receivedAtMs + 60_000 + within })
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
  })

  it('is not made up when it has not come yet', async () => {
    stage = await createStage()
    await stage.seal()
    const within = stage.chain.anchorWithinMs
    const anchorer = await stage.anchorer({ anchorByOf: (receivedAtMs) => receivedAtMs + 3_600_000 + within })
    await until(() => anchorer.status().backlog?.batches === 1, { what: 'two looks' })
    await anchorer.close()
    expect(await stage.anchors()).toEqual([])
  })

  it('does not cost an anchor after another while a backlog is sealed: what was sealed late shares one', async () => {
    stage = await createStage()
    await stage.seal()
    const tickMs = Date.now()
    let nowMs = tickMs
    let looks = 0
    const anchorer = await stage.anchorer({
      anchorByOf: () => tickMs + stage.chain.anchorWithinMs,
      clock: {
        now() {
          looks++
          return nowMs
        },
      },
    })
    await until(() => anchorer.status().leader, { what: 'the lease' })
    await anchorer.tick()
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    nowMs = tickMs + 10_000
    for (let batch = 0; batch < 3; batch++) {
      await stage.seal()
      const from = looks
      await until(() => looks > from + 20 && anchorer.status().backlog?.batches === batch + 1, {
        what: 'more looks',
      })
    }
    expect(await stage.anchors()).toHaveLength(1)
    nowMs = tickMs + stage.chain.anchorWithinMs / 2 + 1_000
    const shared = await stage.untilAnchor('a second anchor', (anchor) => anchor.firstBatch === 2)
    expect(shared.lastBatch).toBe(4)
  })
})
