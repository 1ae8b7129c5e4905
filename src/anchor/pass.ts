/**
 * One look at a chain by the daemon that holds its lease. In: the open anchors, and what the chain says of their
 * transactions. Out: states moved, bytes sent again or outbid and, when a tick is due, one new anchor. The same pass
 * runs after a tick, on the timer, and first thing after a crash: there is no other recovery.
 */
import { HoldfastError } from '../core/errors.ts'
import { toHex } from '../core/hash.ts'
import type { Account } from '../store/chain/accounts.ts'
import { type Anchor, anchorBacklog, openAnchors, readAnchor } from '../store/chain/anchors.ts'
import { type Attempt, attemptsOf } from '../store/chain/attempts.ts'
import { requireAccount, settleAccount } from './account.ts'
import type { AnchorContext } from './context.ts'
import { explain, wait } from './explain.ts'
import { balanceDays, balanceSeen } from './fees/spending.ts'
import { finalHead } from './final-head.ts'
import { checkFinality } from './finality.ts'
import { applyFinding, type Change } from './follow.ts'
import { WAITS_FOR_PREVIOUS } from './hindrances.ts'
import { idleReport, noteWholeLook } from './idle.ts'
import { type Finding, inspectAnchor, livingAttempts, type Sight } from './inspect.ts'
import { lookForNonceGap, nonceIsSpent } from './nonces.ts'
import { planAnchor } from './plan.ts'
import { isSignerFault, pushAnchor, sendWhenDue } from './push-anchor.ts'
import type { PassReport } from './report.ts'
import type { ChainView } from './rpc/endpoints.ts'
import { isEndpointFault } from './rpc/faults.ts'
import { signingHindrance, startAnchor } from './start-anchor.ts'
import { firstCall } from './submit.ts'

/** For the status; what signing depends on is asked when something is signed. */
const BALANCE_EVERY_MS = 30_000

/**
 * @throws HoldfastError CHAIN_UNAVAILABLE, WRONG_CHAIN, DATABASE_UNAVAILABLE (all: try again later), LEASE_LOST
 */
export async function runPass(context: AnchorContext): Promise<PassReport> {
  const failures: { view: ChainView; error: Error }[] = []
  for (const view of await context.endpoints.views()) {
    try {
      const report = await lookThrough(context, view)
      view.lookDone()
      return report
    } catch (error) {
      // Whatever was done so far through this endpoint stands, and is found done through the next one.
      if (!isEndpointFault(error) && !isWrongChain(error)) throw error
      view.lookFailed(error)
      failures.push({ view, error })
    }
  }
  const wrong = failures.map(({ error }) => error).find(isWrongChain)
  if (wrong !== undefined) throw wrong
  const detail = failures.map(({ view, error }) => `${view.endpoint}: ${error.message}`).join('; ')
  throw new HoldfastError('CHAIN_UNAVAILABLE', detail, { cause: failures[0]?.error })
}

function isWrongChain(error: unknown): error is HoldfastError {
  return error instanceof HoldfastError && error.code === 'WRONG_CHAIN'
}

async function lookThrough(context: AnchorContext, view: ChainView): Promise<PassReport> {
  const { pool, chain, memory } = context
  const idle = await idleReport(context, view)
  if (idle !== null) return idle
  const finality = await finalHead(context, view)
  const sight: Sight = { ...view, finalized: finality.number }
  const account = await settleAccount(context, sight)
  await checkFinality(context, sight, account)
  const unfinal = await openAnchors(pool, chain.chainId)
  // What is mined already needs no nonce.
  const needsNonce = memory.due || unfinal.length === 0 || unfinal.some(({ state }) => state !== 'mined')
  if (needsNonce) await lookForNonceGap(context, sight, account)

  await followAll(context, sight)
  await advance(context, sight)
  const open = await openAnchors(pool, chain.chainId)
  // Last, so that an endpoint which fails it has done all else by then.
  const balance = await balanceSeen(context, sight, BALANCE_EVERY_MS)
  const report = {
    head: view.head,
    finality,
    balance,
    balanceDays: await balanceDays(context, balance),
    busy: open.length > 0 || memory.due,
  }
  await noteWholeLook(context, account, report)
  return report
}

/**
 * Moves every open anchor to where the chain says it is, oldest first, and keeps those moving that are in no block.
 * @throws what failed for one of them, when all have had their turn
 */
async function followAll(context: AnchorContext, sight: Sight): Promise<void> {
  const { pool, chain } = context
  const open = (await openAnchors(pool, chain.chainId)).filter((anchor) => anchor.state !== 'prepared')
  const attempts = groupByAnchor(
    await attemptsOf(
      pool,
      open.map((anchor) => anchor.id),
    ),
  )
  const faults: unknown[] = []
  for (const anchor of open) {
    try {
      const own = attempts.get(anchor.id) ?? []
      const finding = await inspectAnchor(sight, anchor, own)
      const changes = await applyFinding(context, anchor, finding)
      announce(context, anchor, finding, changes)
      await keepMoving(context, sight, anchor, own, finding, changes)
    } catch (error) {
      if (!isEndpointFault(error) && !isSignerFault(error)) throw error
      faults.push(error)
    }
  }
  if (faults.length > 0) throw faults[0]
}

async function keepMoving(
  context: AnchorContext,
  sight: Sight,
  anchor: Anchor,
  attempts: readonly Attempt[],
  finding: Finding,
  changes: readonly Change[],
): Promise<void> {
  if (finding.kind === 'spent' && !finding.final) {
    const detail = `${finding.why} in block ${finding.block.number}; a new transaction once that is final.`
    return explain(context, anchor, { reason: 'stuck', detail })
  }
  const lost = changes.includes('reorged')
  if (finding.kind === 'unclear') return keepMinedSent(context, sight, anchor, attempts)
  if (finding.kind !== 'waiting' && finding.kind !== 'reorged') return
  const account = await requireAccount(context)
  if (finding.kind === 'waiting' && finding.nonceSpent) {
    return nonceIsSpent(context, sight, account, anchor, livingAttempts(attempts))
  }
  context.memory.spentAtHead.delete(anchor.id)
  const current = lost ? await readAnchor(context.pool, anchor.id) : anchor
  await pushAnchor(context, sight, account, current ?? anchor, attempts, lost)
}

/** A chain that has become shorter than the anchor's block shows nothing until somebody gives it transactions again. */
async function keepMinedSent(
  context: AnchorContext,
  sight: Sight,
  anchor: Anchor,
  attempts: readonly Attempt[],
): Promise<void> {
  if (anchor.blockNumber === null || sight.head >= anchor.blockNumber) return
  const mined = attempts.find(({ hash }) => anchor.transactionHash?.equals(hash))
  if (mined !== undefined) await sendWhenDue(context, mined, false)
}

/** Signs for what is prepared; plans one new anchor when a tick is due and nothing of this account is on its way. */
async function advance(context: AnchorContext, sight: Sight): Promise<void> {
  const { pool, chain, memory, signer } = context
  const account = await requireAccount(context)
  const moving = (await openAnchors(pool, chain.chainId)).filter((anchor) => anchor.state !== 'mined')
  const [prepared, ...later] = moving.filter((anchor) => anchor.state === 'prepared')
  const inFlight = moving.some(
    (anchor) => anchor.state === 'submitted' && anchor.publisher === signer.address,
  )
  if (inFlight || prepared !== undefined) {
    for (const anchor of later) await explain(context, anchor, WAITS_FOR_PREVIOUS)
    if (prepared !== undefined) {
      if (inFlight) await explain(context, prepared, WAITS_FOR_PREVIOUS)
      else await startPrepared(context, sight, account, prepared)
    }
    const waits = memory.due && (await anchorBacklog(pool, chain.chainId)).batches > 0
    return wait(context, waits ? WAITS_FOR_PREVIOUS : null)
  }
  if (memory.due) return planDue(context, sight, account)
  return wait(context, null)
}

async function planDue(context: AnchorContext, sight: Sight, account: Account): Promise<void> {
  const { pool, chain, memory, signer, logger } = context
  if ((await anchorBacklog(pool, chain.chainId)).batches === 0) {
    memory.due = false
    return wait(context, null)
  }
  // Before the root is fixed: while nothing can be signed, later batches may still join.
  const probe = firstCall(chain, Buffer.alloc(32, 0xff))
  const check = await signingHindrance(context, sight, account, probe, [])
  if (check.hindrance !== null) return wait(context, check.hindrance)
  const planned = await planAnchor({ ...context, publisher: signer.address })
  await context.faultPoint?.('anchor-planned')
  if (planned === null) return
  logger.info({ chainId: chain.chainId, ...planned }, 'anchor planned')
  // What one tree cannot hold stays due: it follows as soon as this anchor is in a block.
  memory.due = planned.full
  await wait(context, planned.full ? WAITS_FOR_PREVIOUS : null)
  const anchor = await readAnchor(pool, planned.id)
  if (anchor !== null) await startPrepared(context, sight, account, anchor)
}

async function startPrepared(
  context: AnchorContext,
  sight: Sight,
  account: Account,
  anchor: Anchor,
): Promise<void> {
  await startAnchor(context, sight, account, anchor, await attemptsOf(context.pool, [anchor.id]))
}

function announce(
  context: AnchorContext,
  anchor: Anchor,
  finding: Finding,
  changes: readonly Change[],
): void {
  const { chain, logger, metrics, onEvent } = context
  const { firstBatch, lastBatch } = anchor
  const about = { chainId: chain.chainId, anchorId: anchor.id, root: toHex(anchor.root) }
  for (const change of changes) {
    logger.info({ ...about, batches: lastBatch - firstBatch + 1 }, `anchor ${change}`)
    metrics.count('holdfast_anchor_changes_total', 1, { chain: String(chain.chainId), change })
    if (change === 'anchored' && finding.kind === 'mined' && finding.receipt.feePaid === null) {
      logger.warn(about, 'the receipt does not tell what the transaction cost: it is missing in the accounts')
    }
    if (change === 'reorged' || change === 'moved')
      onEvent({ type: 'reorged', ...about, firstBatch, lastBatch })
    if (finding.kind !== 'mined' || change === 'reorged' || change === 'freed') continue
    onEvent({
      type: change === 'finalized' ? 'finalized' : 'anchored',
      ...about,
      firstBatch,
      lastBatch,
      transactionHash: toHex(finding.attempt.hash),
      blockNumber: finding.block.number,
    })
  }
}

function groupByAnchor(attempts: readonly Attempt[]): Map<number, Attempt[]> {
  const groups = new Map<number, Attempt[]>()
  for (const attempt of attempts) {
    const group = groups.get(attempt.anchorId)
    if (group === undefined) groups.set(attempt.anchorId, [attempt])
    else group.push(attempt)
  }
  return groups
}
