import type pg from 'pg'

export type AccountSummary = {
  chainId: number
  address: string
  nextNonce: number
  pausedReason: string | null
  pausedDetail: string | null
  pausedAt: Date | null
}

/** Every key that was ever used to anchor, or those of one chain. */
export async function listAccounts(
  client: pg.Pool | pg.ClientBase,
  chainId: number | null,
): Promise<AccountSummary[]> {
  const { rows } = await client.query<AccountSummary>(
    `select chain_id as "chainId", address, next_nonce as "nextNonce", paused_reason as "pausedReason",
       paused_detail as "pausedDetail", paused_at as "pausedAt" from account
     where $1::bigint is null or chain_id = $1 order by chain_id, address`,
    [chainId],
  )
  return rows
}
