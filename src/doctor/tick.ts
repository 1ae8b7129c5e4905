import type { ChainConfig } from '../core/chain-config.ts'
import { counted } from '../core/counted.ts'
import { nextRunAfter } from '../core/cron.ts'
import type { Clock } from '../core/ports.ts'
import { readAccount } from '../store/chain/accounts.ts'
import { anchorBacklog, listAnchors } from '../store/chain/anchors.ts'
import type { Pool } from '../store/connection/database.ts'
import { leaseHolder } from '../store/connection/leases.ts'
import { type Check, fail, ok, type Verdict, warn } from './verdict.ts'

/** Left to a tick that has just come. */
const GRACE_MS = 60_000

/**
 * The last tick, by what it left in the database: a tick that had nothing to anchor leaves nothing, so the verdict is
 * about what it should have taken and did not.
 */
export function lastTick(deps: {
  chain: Pick<ChainConfig, 'chainId' | 'cron'>
  pool: Pool
  clock: Clock
  /** Of the configured key; null when nobody tells. */
  address: () => Promise<string | null>
}): Check['run'] {
  const { pool, clock } = deps
  const { chainId } = deps.chain
  const next = nextRunAfter(deps.chain.cron)
  return async (): Promise<Verdict> => {
    const now = clock.now()
    const [backlog, newest] = await Promise.all([
      anchorBacklog(pool, chainId),
      listAnchors(pool, { chainId, limit: 1 }),
    ])
    const due = `due at ${instant(lastRunBefore(next, now))}, the next at ${instant(next(now))}`
    const trace =
      newest[0] === undefined
        ? 'no tick has made an anchor yet'
        : `the last that had something to anchor made anchor ${newest[0].id} at ${instant(newest[0].createdAt.getTime())}`
    const text = `${due}; ${trace}`
    const { waitsSince } = backlog
    if (waitsSince === null || now <= next(waitsSince.getTime()) + GRACE_MS) return ok(text)

    const left = `${due}; ${counted(backlog.batches, 'batch', 'batches')} left since before the tick at ${instant(next(waitsSince.getTime()))}`
    if ((await leaseHolder(pool, `anchor:${chainId}`)) === null) {
      return fail(
        `${left}, and no daemon is there to tick`,
        'Start `holdfast serve`: it makes up for the tick at once.',
      )
    }
    const address = await deps.address()
    const account = address === null ? null : await readAccount(pool, chainId, address)
    return account?.waitingReason == null
      ? warn(left, 'See the log of the daemon that holds the lease, for `tick failed` or `tick skipped`.')
      : warn(`${left}: ${account.waitingReason}: ${account.waitingDetail}`, SEE_TO_THE_REASON)
  }
}

const SEE_TO_THE_REASON =
  'See to the reason; docs/operations.md lists them. It is anchored without another tick once that is gone.'

/** The latest run at or before an instant; both in ms since the epoch. */
function lastRunBefore(next: (afterMs: number) => number, nowMs: number): number {
  let backMs = 1_000
  while (next(nowMs - backMs) > nowMs) backMs *= 2
  let run = next(nowMs - backMs)
  for (let later = next(run); later <= nowMs; later = next(run)) run = later
  return run
}

function instant(ms: number): string {
  return new Date(ms).toISOString()
}
