/**
 * One chain's anchoring. In: sealed batches, and a tick when they are due. Out: their roots on the chain, followed
 * until they are final. Any number of daemons may run one for the same chain: the lease lets one of them work, and a
 * stale one's writes are refused by the database.
 */

import { ANCHOR_REASONS, type Hindrance } from '../core/anchor-state.ts'
import type { ChainConfig } from '../core/chain-config.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Clock, Logger } from '../core/ports.ts'
import type { Pool } from '../store/connection/database.ts'
import { asStoreError } from '../store/connection/failures.ts'
import { acquireLease, type Lease, leaseLost, releaseLease, renewLease } from '../store/connection/leases.ts'
import { type AnchorContext, type AnchorEvent, emptyMemory } from './context.ts'
import { registryOf } from './contract/registry.ts'
import { explainAll } from './explain.ts'
import { faultHindrance, isLeaseLost } from './faults.ts'
import { runPass } from './pass.ts'
import type { AnchorTree } from './plan.ts'
import type { PassReport } from './report.ts'
import { blockAt } from './rpc/chain-reads.ts'
import { createEndpoints } from './rpc/endpoints.ts'
import type { Signer } from './signers/signer.ts'
import { type ChainStatus, finalityStatus, readChainStatus, UNKNOWN } from './status.ts'

export type Anchorer = {
  readonly chainId: number
  /**
   * Checks the endpoints' chain ids and starts following what is open. Resolves even when no endpoint answers.
   * @throws HoldfastError WRONG_CHAIN
   */
  start(): Promise<void>
  /**
   * Seals what is pending, for a few seconds at most, and anchors what is sealed; does nothing in a daemon without the
   * lease. Never overlaps: a call during another gets the other's promise. Resolves when the transaction was sent, or when it is
   * stored why not; then it is tried again until it can be. Rejects only while the database or every endpoint is away.
   */
  tick(): Promise<void>
  /** Time of the newest block, ms since the epoch, asked now; null when the chain has none. */
  newestBlockMs(): Promise<number | null>
  /** As of the last look at the chain and the database. */
  status(): ChainStatus
  /** Finishes the pass under way, gives the lease back, and aborts what still hangs in the network. */
  close(): Promise<void>
}

export type AnchorerDeps = {
  chain: ChainConfig
  pool: Pool
  signer: Signer
  /** {@link anchorTree} of src/merkle. */
  anchorTree: AnchorTree
  /** Seals what is pending now; resolves when it is committed, or after a few seconds. */
  sealPending: () => Promise<void>
  /**
   * When a record received then must be anchored: `anchorWithinMs` after its tick; both in ms since the epoch. Without
   * it, `anchorWithinMs` after its receipt, and only {@link Anchorer.tick} makes anchors.
   */
  anchorByOf?: (receivedAtMs: number) => number
  clock: Clock
  logger: Logger
  metrics: Metrics
  /** Names this daemon in the lease; distinct for every process. */
  owner: string
  onEvent?: (event: AnchorEvent) => void
  faultPoint?: (name: string) => Promise<void> | void
  leaseTtlMs?: number
  rpcTimeoutMs?: number
}

const LEASE_TTL_MS = 15_000
const RPC_TIMEOUT_MS = 10_000
/** Between looks while nothing is open. */
const IDLE_INTERVAL_MS = 5_000
/** After its tick, a batch is left to that tick for this long. */
const OVERDUE_AFTER_MS = 3_000

export function createAnchorer(deps: AnchorerDeps): Anchorer {
  const { chain, pool, signer, clock, metrics } = deps
  const logger = deps.logger.child({ chainId: chain.chainId })
  const ttlMs = deps.leaseTtlMs ?? LEASE_TTL_MS
  const leaseName = `anchor:${chain.chainId}`
  const registry = registryOf(chain)
  const endpoints = createEndpoints({
    ...chain,
    timeoutMs: deps.rpcTimeoutMs ?? RPC_TIMEOUT_MS,
    clock,
    logger,
    metrics,
  })
  const anchorByOf = deps.anchorByOf ?? ((receivedAtMs: number) => receivedAtMs + chain.anchorWithinMs)
  const labels = { chain: String(chain.chainId) }
  let lease: Lease | null = null
  let memory = emptyMemory()
  let due = false
  /** When this leader last set out to make an anchor. */
  let dueAtMs = Number.NEGATIVE_INFINITY
  let report: PassReport | null = null
  /** Why the last look failed, where that hinders anchoring. */
  let fault: Hindrance | null = null
  let status: ChainStatus = statusOf(null)
  let closed = false
  let queue: Promise<unknown> = Promise.resolve()
  let ticking: Promise<void> | null = null
  let loop: Promise<void> | null = null
  let wake: () => void = () => {}
  let rearmed = false
  let renewal: NodeJS.Timeout | undefined

  /** One at a time, in order. */
  function serial<T>(work: () => Promise<T>): Promise<T> {
    const result = queue.then(work)
    // Whoever asked for the work has its error; the next in line goes on all the same.
    queue = result.catch(() => undefined)
    return result
  }

  async function pass(): Promise<void> {
    lease ??= await takeLease()
    if (lease === null) {
      await refreshStatus()
      return
    }
    memory.due ||= due
    if (due) dueAtMs = clock.now()
    due = false
    const held = lease
    const context = contextOf(held)
    try {
      const seen = await runPass(context)
      // Another daemon may lead by now.
      if (lease !== held) return
      report = seen
      fault = null
      metrics.gauge('holdfast_balance_days', report.balanceDays ?? Number.NaN, labels)
      metrics.gauge(
        'holdfast_balance_wei',
        report.balance === null ? Number.NaN : Number(report.balance),
        labels,
      )
    } catch (error) {
      await survive(context, asStoreError(error))
      throw error
    } finally {
      await refreshStatus()
      due ||= isOverdue()
    }
  }

  /** What only a leader sees is not said any more: it would be taken for how things stand now. */
  function standDown(why: unknown): void {
    logger.warn({ err: why }, 'this daemon does not anchor any more')
    lease = null
    report = null
    fault = null
    metrics.gauge('holdfast_balance_days', Number.NaN, labels)
    metrics.gauge('holdfast_balance_wei', Number.NaN, labels)
  }

  /**
   * A tick that nobody was there for, as after a restart: its batches need not wait for the next one. Batches that were
   * sealed too late for their tick, as while a backlog is sealed, share one more anchor halfway to their deadline: each
   * costs gas.
   */
  function isOverdue(): boolean {
    const oldest = status.backlog?.waitsSince
    if (lease === null || deps.anchorByOf === undefined || oldest == null || ticking !== null) return false
    const tickMs = deps.anchorByOf(oldest.getTime()) - chain.anchorWithinMs
    const graceMs = dueAtMs < tickMs ? OVERDUE_AFTER_MS : Math.max(OVERDUE_AFTER_MS, chain.anchorWithinMs / 2)
    return tickMs + graceMs < clock.now()
  }

  async function takeLease(): Promise<Lease | null> {
    const taken = await acquireLease(pool, leaseName, deps.owner, ttlMs)
    if (taken === null) return null
    memory = { ...emptyMemory(), due: memory.due }
    logger.info({ epoch: taken.epoch }, 'this daemon anchors now')
    return taken
  }

  function contextOf(held: Lease): AnchorContext {
    return {
      pool,
      lease: held,
      chain,
      registry,
      endpoints,
      signer,
      anchorTree: deps.anchorTree,
      anchorByOf,
      clock,
      logger,
      metrics,
      onEvent: deps.onEvent ?? (() => {}),
      faultPoint: deps.faultPoint,
      memory,
    }
  }

  /** Says why nothing moves, where that can still be said. */
  async function survive(context: AnchorContext, error: unknown): Promise<void> {
    if (isLeaseLost(error)) return standDown(error)
    const hindrance = faultHindrance(error)
    // Closing aborts what is under way; that says nothing of how things stand.
    if (hindrance === null || closed) return
    fault = hindrance
    try {
      await explainAll(context, hindrance)
    } catch (failure) {
      if (!isLeaseLost(failure)) throw failure
      standDown(failure)
    }
  }

  async function refreshStatus(): Promise<void> {
    status = await readChainStatus(pool, statusOf(report))
    metrics.gauge('holdfast_leader', lease === null ? 0 : 1, { work: leaseName })
    metrics.gauge('holdfast_anchor_backlog_batches', status.backlog?.batches ?? 0, labels)
    for (const reason of ANCHOR_REASONS) {
      metrics.gauge('holdfast_anchor_hindered', status.reason === reason ? 1 : 0, { ...labels, reason })
    }
    const anchorBy = status.inFlight?.anchorBy ?? waitingAnchorBy(status)
    status = { ...status, anchorBy }
    const lateMs = anchorBy === null ? 0 : Math.max(0, clock.now() - anchorBy.getTime())
    metrics.gauge('holdfast_anchor_late_seconds', lateMs / 1000, labels)
  }

  /** When the oldest batch without an anchor must be anchored; null when there is none. */
  function waitingAnchorBy({ backlog }: ChainStatus): Date | null {
    const oldest = backlog?.waitsSince
    return oldest == null ? null : new Date(anchorByOf(oldest.getTime()))
  }

  function statusOf(seen: PassReport | null): ChainStatus {
    return {
      ...UNKNOWN,
      chainId: chain.chainId,
      address: signer.address,
      registry,
      mode: chain.mode,
      leader: lease !== null,
      head: seen?.head ?? null,
      finalizedHead: seen === null || seen.finality.number < 0 ? null : seen.finality.number,
      finality: seen === null ? null : finalityStatus(seen.finality, seen.head),
      balanceWei: seen?.balance?.toString() ?? null,
      balanceDays: seen?.balanceDays ?? null,
      endpoints: endpoints.health(),
      reason: fault?.reason ?? null,
      detail: fault?.detail ?? null,
    }
  }

  async function run(): Promise<void> {
    while (!closed) {
      try {
        await serial(pass)
      } catch (error) {
        note(error)
      }
      do {
        rearmed = false
        if (closed) return
        await pauseFor(isBusy() ? chain.pollIntervalMs : Math.max(chain.pollIntervalMs, IDLE_INTERVAL_MS))
      } while (rearmed)
    }
  }

  function isBusy(): boolean {
    return report === null || report.busy || fault !== null || due || memory.due
  }

  function note(error: unknown): void {
    const known = asStoreError(error)
    const code = known instanceof HoldfastError ? known.code : 'INTERNAL'
    metrics.count('holdfast_anchor_pass_failures_total', 1, { ...labels, code })
    if (code === 'INTERNAL') logger.error({ err: known, code }, 'a look at the chain failed')
    else logger.warn({ err: known, code }, 'a look at the chain failed')
  }

  function pauseFor(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  async function renew(): Promise<void> {
    const held = lease
    if (held === null) return
    try {
      if (await renewLease(pool, held, ttlMs)) return
      if (lease === held) standDown(leaseLost(held))
    } catch (error) {
      note(error)
    }
  }

  async function tickOnce(): Promise<void> {
    try {
      await deps.sealPending()
    } catch (error) {
      // What is sealed can be anchored all the same; what is not joins the next anchor.
      note(error)
    }
    due = true
    try {
      await serial(async () => {
        // The timer's pass may have come first and done it.
        if (due || memory.due) await pass()
      })
    } finally {
      if (lease === null) due = false
      // The look was the tick's own; the next one comes as soon as what it left needs it.
      rearmed = true
      wake()
    }
  }

  return {
    chainId: chain.chainId,
    async newestBlockMs() {
      const { ask } = await endpoints.view()
      return (await blockAt(ask, 'latest'))?.time.getTime() ?? null
    },
    async start() {
      await endpoints.requireChain()
      renewal = setInterval(() => void renew(), ttlMs / 3)
      loop = run()
    },
    tick() {
      ticking ??= tickOnce().finally(() => {
        ticking = null
      })
      return ticking
    },
    status: () => ({ ...status, leader: lease !== null, endpoints: endpoints.health() }),
    async close() {
      if (closed) return
      closed = true
      clearInterval(renewal)
      wake()
      endpoints.close()
      await loop
      await ticking?.catch(note)
      await queue
      if (lease !== null) await releaseLease(pool, lease).catch(note)
      lease = null
    },
  }
}
