import type { Clock } from '../core/ports.ts'
import {
  type Anchor,
  markFinalized,
  markMined,
  regressToPrepared,
  regressToSubmitted,
} from '../store/chain/anchors.ts'
import { noteMined, noteUnmined, supersede } from '../store/chain/attempts.ts'
import type { Pool } from '../store/connection/database.ts'
import { inLease } from '../store/connection/lease-transaction.ts'
import type { Lease } from '../store/connection/leases.ts'
import type { Finding } from './inspect.ts'

/** What became of an anchor: `freed` means that its nonce is finally spent on something else. */
export type Change = 'anchored' | 'moved' | 'finalized' | 'reorged' | 'freed'

type Mined = Extract<Finding, { kind: 'mined' }>
type Spent = Extract<Finding, { kind: 'spent' }>

/**
 * Writes what the chain says, in one transaction under the lease; nothing when nothing changed. Doing it twice, or
 * after a crash, comes to the same.
 * @throws HoldfastError LEASE_LOST
 */
export async function applyFinding(
  deps: { pool: Pool; lease: Lease; clock: Clock },
  anchor: Anchor,
  finding: Finding,
): Promise<Change[]> {
  if (finding.kind === 'mined') return applyMined(deps, anchor, finding)
  if (finding.kind === 'spent') return applySpent(deps, anchor, finding)
  if (finding.kind !== 'reorged') return []
  await inLease(deps.pool, deps.lease, async (client) => {
    await regressToSubmitted(client, anchor.id)
    await noteUnmined(client, anchor.id)
  })
  return ['reorged']
}

async function applyMined(
  deps: { pool: Pool; lease: Lease; clock: Clock },
  anchor: Anchor,
  { attempt, receipt, block, final }: Mined,
): Promise<Change[]> {
  const known =
    anchor.state === 'mined' &&
    anchor.blockHash?.equals(block.hash) === true &&
    anchor.transactionHash?.equals(attempt.hash) === true
  if (known && !final) return []
  await inLease(deps.pool, deps.lease, async (client) => {
    if (!known) {
      await noteUnmined(client, anchor.id)
      await noteMined(client, attempt.id, {
        state: 'mined',
        blockNumber: block.number,
        blockHash: block.hash,
        blockTime: block.time,
        gasUsed: receipt.gasUsed,
        feePaid: receipt.feePaid,
      })
      await markMined(client, anchor.id, attempt.address, {
        transactionHash: attempt.hash,
        blockNumber: block.number,
        blockHash: block.hash,
        blockTime: block.time,
        gasUsed: receipt.gasUsed,
      })
    }
    if (!final) return
    await supersede(client, anchor.id)
    await markFinalized(client, anchor.id, block.hash, new Date(deps.clock.now()))
  })
  const changes: Change[] = known ? [] : anchor.state === 'mined' ? ['moved'] : ['anchored']
  return final ? [...changes, 'finalized'] : changes
}

async function applySpent(
  deps: { pool: Pool; lease: Lease },
  anchor: Anchor,
  { why, attempt, receipt, block, final }: Spent,
): Promise<Change[]> {
  const known = attempt.blockHash?.equals(block.hash) === true && anchor.state === 'submitted'
  if (known && !final) return []
  await inLease(deps.pool, deps.lease, async (client) => {
    if (anchor.state === 'mined') await regressToSubmitted(client, anchor.id)
    await noteUnmined(client, anchor.id)
    await noteMined(client, attempt.id, {
      state: why === 'noop' ? 'mined' : 'reverted',
      blockNumber: block.number,
      blockHash: block.hash,
      blockTime: block.time,
      gasUsed: receipt.gasUsed,
      feePaid: receipt.feePaid,
    })
    if (!final) return
    await supersede(client, anchor.id)
    await regressToPrepared(client, anchor.id)
  })
  const changes: Change[] = anchor.state === 'mined' ? ['reorged'] : []
  return final ? [...changes, 'freed'] : changes
}
