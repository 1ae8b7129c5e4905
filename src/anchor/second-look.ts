/** What one answer says may be the answer of a node that lags: nothing is concluded from it before it was seen twice. */

import type { Ask } from 'holdfast-client/rpc-values'
import type { AnchorContext } from './context.ts'
import type { Sight } from './inspect.ts'
import { otherViews } from './others.ts'
import { isEndpointFault } from './rpc/faults.ts'

/** Whether the finding was there at an earlier block too; notes that it is there now. */
export function wasThereBefore({ memory }: AnchorContext, { head }: Sight, finding: string): boolean {
  const since = memory.findings.get(finding)
  if (since === undefined) memory.findings.set(finding, head)
  return since !== undefined && since < head
}

/** Notes that the finding is not there, so that the next time counts as the first. */
export function isGone({ memory }: AnchorContext, finding: string): void {
  memory.findings.delete(finding)
}

/**
 * Whether another endpoint says so too, or this one at a later block.
 * @param ask asks one other endpoint
 */
export async function isSeenTwice(
  context: AnchorContext,
  sight: Sight,
  finding: string,
  ask: (ask: Ask) => Promise<boolean>,
): Promise<boolean> {
  if (wasThereBefore(context, sight, finding)) return true
  for (const view of await otherViews(context, sight)) {
    try {
      if (await ask(view.ask)) return true
    } catch (error) {
      if (!isEndpointFault(error)) throw error
    }
  }
  return false
}
