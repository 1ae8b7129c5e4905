import { setTimeout as pause } from 'node:timers/promises'
import type { ChaosStage } from './stage.ts'

/** What is left undone; each counts as stuck. */
type Left = {
  /** Hashes in the log that were never sealed. */
  unsealed: number
  /** Batches in no anchor. */
  unanchored: number
  /** Anchors that are not final, whatever else they are. */
  open: number
}

/**
 * Waits, without any fault, until nothing is under way. The daemons are not started anew: what hangs in the memory of
 * one shows here.
 * @returns how much is still left when the time is up, and what
 */
export async function drain(
  stage: Pick<ChaosStage, 'replicas' | 'database'>,
  withinMs: number,
): Promise<{ stuck: number; details: string[] }> {
  const deadline = performance.now() + withinMs
  const down = (
    await Promise.all(
      stage.replicas.map(async (replica) => [replica.url, await replica.serving(withinMs)] as const),
    )
  ).filter(([, serves]) => !serves)
  const details = down.map(([url]) => `stuck: the daemon at ${url} does not serve`)
  for (;;) {
    const left = await whatIsLeft(stage)
    const count = left.unsealed + left.unanchored + left.open
    if (count === 0 || performance.now() > deadline) {
      if (count > 0) details.push(`stuck: ${JSON.stringify({ ...left, ...(await circumstances(stage)) })}`)
      return { stuck: count + down.length, details }
    }
    await pause(250)
  }
}

async function whatIsLeft({ database }: Pick<ChaosStage, 'database'>): Promise<Left> {
  const { rows } = await database.pool.query<Left>(
    `select (select coalesce(sum(leaf_count), 0)::bigint from intake) as unsealed,
       (select count(*) from batch where not exists
         (select from anchor_batch where anchor_batch.batch_id = batch.id)) as unanchored,
       (select count(*) from anchor where state <> 'finalized') as open`,
  )
  return rows[0]!
}

async function circumstances({ database }: Pick<ChaosStage, 'database'>): Promise<object> {
  const { rows: anchors } = await database.pool.query(
    `select id, state, reason, detail from anchor where state <> 'finalized' order by id limit 5`,
  )
  const { rows: accounts } = await database.pool.query('select * from account')
  const { rows: leases } = await database.pool.query('select * from lease')
  return { anchors, accounts, leases }
}
