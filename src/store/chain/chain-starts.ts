import type { Pool } from '../connection/database.ts'

/** When a chain was first configured here, and how many batches had been sealed by then. */
export type ChainStart = {
  startedAt: Date
  /** The chain was not known before this call. */
  isNew: boolean
  /** Batches sealed before it, 0 for none. */
  batchesBefore: number
}

/**
 * Notes the chain's start the first time that it is configured. From then on its backlog begins, as `startFrom` says,
 * with the first batch of all or with the first one sealed after the start.
 */
export async function startChain(pool: Pool, chainId: number, startFrom: 'now' | 'all'): Promise<ChainStart> {
  const { rows } = await pool.query(
    `insert into chain_start as known (chain_id, started_at, newest_batch, skipped_through)
     select $1, clock_timestamp(), newest, case when $2 then newest else 0 end
     from (select coalesce(max(id), 0) as newest from batch) sealed
     on conflict (chain_id) do update set skipped_through = case when $2 then known.newest_batch else 0 end
     returning started_at as "startedAt", newest_batch as "batchesBefore", xmax = 0 as "isNew"`,
    [chainId, startFrom === 'now'],
  )
  return rows[0]
}

/**
 * Notes the first block of a chain whose start was noted, the first time that it is seen.
 * @returns the one that was noted
 */
export async function noteGenesis(pool: Pool, chainId: number, hash: Buffer): Promise<Buffer> {
  const { rows } = await pool.query<{ genesis: Buffer }>(
    'update chain_start set genesis = coalesce(genesis, $2) where chain_id = $1 returning genesis',
    [chainId, hash],
  )
  return rows[0]?.genesis ?? hash
}
