import { toHex } from '../core/hash.ts'
import type { Account } from '../store/chain/accounts.ts'
import { type Anchor, lastMinedAnchor, regressToSubmitted } from '../store/chain/anchors.ts'
import { noteUnmined } from '../store/chain/attempts.ts'
import { inLease } from '../store/connection/lease-transaction.ts'
import type { AnchorContext } from './context.ts'
import { pause } from './explain.ts'
import { finalNumber } from './final-head.ts'
import { contradictsFinal, type Sight } from './inspect.ts'
import { otherViews } from './others.ts'
import { ContradictedAnswerError, isEndpointFault } from './rpc/faults.ts'
import { isGone, wasThereBefore } from './second-look.ts'

/**
 * The newest final anchor's block must stay. When every endpoint that has finalized that far says that it did not,
 * nothing more is signed; once an operator has resumed, such anchors are followed again like any that a reorg took.
 * @throws ContradictedAnswerError when another endpoint still has the block
 */
export async function checkFinality(context: AnchorContext, sight: Sight, account: Account): Promise<void> {
  const { pool, lease, chain } = context
  for (;;) {
    const last = await lastMinedAnchor(pool, chain.chainId, 'finalized')
    const finding = `final block ${last?.blockNumber} is gone`
    if (last === null || !(await contradictsFinal(sight, last))) return isGone(context, finding)
    const seconded = await requireNoneElsewhere(context, sight, last)
    // One endpoint at one block may be wrong. Nothing is signed meanwhile: the last anchor's block is missing.
    if (seconded === 0 && !wasThereBefore(context, sight, finding)) return
    if (account.resumedReason !== 'finality_contradicted') {
      const detail = `Anchor ${last.id} was final in block ${last.blockNumber} (${toHex(last.blockHash!)}), which the chain no longer holds.`
      return pause(context, account, 'finality_contradicted', detail)
    }
    await inLease(pool, lease, async (client) => {
      await regressToSubmitted(client, last.id)
      await noteUnmined(client, last.id)
    })
    context.onEvent({
      type: 'reorged',
      chainId: chain.chainId,
      anchorId: last.id,
      root: toHex(last.root),
      firstBatch: last.firstBatch,
      lastBatch: last.lastBatch,
    })
  }
}

/** How many other endpoints say the same. */
async function requireNoneElsewhere(context: AnchorContext, sight: Sight, anchor: Anchor): Promise<number> {
  let seconded = 0
  for (const view of await otherViews(context, sight)) {
    try {
      const finalized = await finalNumber(context, view)
      if (finalized < anchor.blockNumber!) continue
      if (await contradictsFinal({ ...view, finalized }, anchor)) {
        seconded += 1
        continue
      }
    } catch (error) {
      if (!isEndpointFault(error)) throw error
      view.lookFailed(error)
      continue
    }
    throw new ContradictedAnswerError(
      `${sight.endpoint} has another block ${anchor.blockNumber} than the final one that ${view.endpoint} has`,
    )
  }
  return seconded
}
