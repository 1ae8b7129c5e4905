import type pg from 'pg'
import type { AnchorReason } from '../../core/anchor-state.ts'
import { HoldfastError } from '../../core/errors.ts'

/** A key on a chain: the next nonce it may sign with, and whether it may. */
export type Account = {
  chainId: number
  address: string
  nextNonce: number
  /** Whether the first nonce is certain; false only while nothing was signed. */
  confirmed: boolean
  pausedReason: string | null
  pausedDetail: string | null
  pausedAt: Date | null
  /** The pause that an operator lifted, until the anchorer has acted on it. */
  resumedReason: string | null
  waitingReason: AnchorReason | null
  waitingDetail: string | null
}

const COLUMNS = `chain_id as "chainId", address, next_nonce as "nextNonce", confirmed, paused_reason as "pausedReason",
  paused_detail as "pausedDetail", paused_at as "pausedAt", resumed_reason as "resumedReason",
  waiting_reason as "waitingReason",
  waiting_detail as "waitingDetail"`

export async function readAccount(
  client: pg.Pool | pg.ClientBase,
  chainId: number,
  address: string,
): Promise<Account | null> {
  const { rows } = await client.query<Account>(
    `select ${COLUMNS} from account where chain_id = $1 and address = $2`,
    [chainId, address],
  )
  return rows[0] ?? null
}

/**
 * Makes the account known, starting at the chain's nonce; leaves one that is certain of its nonce as it is.
 * @param confirmed whether the nonce is certain: it is not changed any more by this
 */
export async function openAccount(
  client: pg.Pool | pg.ClientBase,
  chainId: number,
  address: string,
  nextNonce: number,
  confirmed: boolean,
): Promise<void> {
  await client.query(
    `insert into account (chain_id, address, next_nonce, confirmed) values ($1, $2, $3, $4)
     on conflict (chain_id, address) do update set next_nonce = $3, confirmed = $4
       where not account.confirmed and (account.next_nonce, account.confirmed) is distinct from ($3, $4)`,
    [chainId, address, nextNonce, confirmed],
  )
}

/** The nonces up to before this one are spent: none of them is signed for again. */
export async function skipNonces(
  client: pg.ClientBase,
  chainId: number,
  address: string,
  chainNonce: number,
): Promise<void> {
  await client.query(
    'update account set next_nonce = greatest(next_nonce, $3) where chain_id = $1 and address = $2',
    [chainId, address, chainNonce],
  )
}

/**
 * Compare-and-set: the nonce now belongs for ever to the attempt stored in the same transaction.
 * @throws HoldfastError LEASE_LOST when the nonce is not the next one any more, or the account was paused
 */
export async function takeNonce(
  client: pg.ClientBase,
  chainId: number,
  address: string,
  nonce: number,
): Promise<void> {
  const { rowCount } = await client.query(
    `update account set next_nonce = next_nonce + 1, confirmed = true
     where chain_id = $1 and address = $2 and next_nonce = $3 and paused_reason is null`,
    [chainId, address, nonce],
  )
  if (rowCount !== 1) {
    throw new HoldfastError('LEASE_LOST', `Nonce ${nonce} of ${address} was taken or paused meanwhile.`)
  }
}

/**
 * Sets the nonce aside for a transaction that is no anchor's, when it is the known account's next one. False when the
 * account is not known here, or stands at another nonce: then nothing has changed.
 */
export async function setNonceAside(
  client: pg.Pool | pg.ClientBase,
  chainId: number,
  address: string,
  nonce: number,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `update account set next_nonce = $3 + 1, confirmed = true
     where chain_id = $1 and address = $2 and next_nonce = $3::bigint`,
    [chainId, address, nonce],
  )
  return rowCount === 1
}

/** Gives a nonce back that was set aside for bytes which no node took, unless another was taken after it. */
export async function giveNonceBack(
  client: pg.Pool | pg.ClientBase,
  chainId: number,
  address: string,
  nonce: number,
): Promise<void> {
  await client.query(
    'update account set next_nonce = $3 where chain_id = $1 and address = $2 and next_nonce = $3::bigint + 1',
    [chainId, address, nonce],
  )
}

/**
 * Stops all signing for the account until {@link resumeAccount}. False when it was stopped already: the first reason stays.
 * @param resumedReason as the caller read it; when it is another now, an operator was faster, and nothing is done
 */
export async function pauseAccount(
  client: pg.ClientBase,
  chainId: number,
  address: string,
  reason: string,
  detail: string,
  resumedReason?: string | null,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `update account set paused_reason = $3, paused_detail = $4, paused_at = clock_timestamp()
     where chain_id = $1 and address = $2 and paused_reason is null
       and ($5 or resumed_reason is not distinct from $6)`,
    [chainId, address, reason, detail, resumedReason === undefined, resumedReason],
  )
  return rowCount === 1
}

/**
 * Lets the account sign again. The reason it was stopped for is kept until the anchorer has acted on it, so that the
 * same finding does not stop it at once.
 * @param chainNonce how many transactions of the account the chain holds; the next nonce never goes down
 * @returns the reason that was lifted, or null when the account was not paused
 */
export async function resumeAccount(
  client: pg.Pool | pg.ClientBase,
  chainId: number,
  address: string,
  chainNonce: number,
): Promise<string | null> {
  const { rows } = await client.query<{ reason: string }>(
    `update account set resumed_reason = paused_reason, paused_reason = null, paused_detail = null, paused_at = null,
       next_nonce = greatest(next_nonce, $3)
     where chain_id = $1 and address = $2 and paused_reason is not null returning resumed_reason as reason`,
    [chainId, address, chainNonce],
  )
  return rows[0]?.reason ?? null
}

/** The anchorer has acted on the lifted pause: the same finding stops the account again from now on. */
export async function forgetResumed(client: pg.ClientBase, chainId: number, address: string): Promise<void> {
  await client.query('update account set resumed_reason = null where chain_id = $1 and address = $2', [
    chainId,
    address,
  ])
}

/** Why batches that could be anchored are not; null when nothing holds them. Writes only what changed. */
export async function setWaitingReason(
  client: pg.ClientBase,
  chainId: number,
  address: string,
  reason: AnchorReason | null,
  detail: string | null,
): Promise<void> {
  await client.query(
    `update account set waiting_reason = $3, waiting_detail = $4
     where chain_id = $1 and address = $2
       and (waiting_reason is distinct from $3 or waiting_detail is distinct from $4)`,
    [chainId, address, reason, detail],
  )
}
