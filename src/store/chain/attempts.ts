import type pg from 'pg'
import { HoldfastError } from '../../core/errors.ts'

export type AttemptKind = 'anchor' | 'noop'

/**
 * `stored` before its first sending, `sent` once an endpoint took it, `refused` while none does (it may have left all
 * the same), `mined`, `reverted` (mined with status 0), `superseded` (its nonce is finally another transaction's).
 */
export type AttemptState = 'stored' | 'sent' | 'refused' | 'mined' | 'reverted' | 'superseded'

export type Attempt = {
  id: number
  anchorId: number
  chainId: number
  address: string
  kind: AttemptKind
  nonce: number
  /** The signed transaction, exactly as it is sent. */
  raw: Buffer
  hash: Buffer
  /** Wei. Both hold the gas price of a legacy transaction. */
  maxFeePerGas: bigint
  maxPriorityFeePerGas: bigint
  gasLimit: number
  state: AttemptState
  createdAt: Date
  sentAt: Date | null
  sendCount: number
  error: string | null
  blockNumber: number | null
  blockHash: Buffer | null
  minedAt: Date | null
  /** Null until it is mined, and where the endpoint does not tell it. */
  gasUsed: number | null
  feePaid: bigint | null
}

export type NewAttempt = Pick<
  Attempt,
  | 'anchorId'
  | 'chainId'
  | 'address'
  | 'kind'
  | 'nonce'
  | 'raw'
  | 'hash'
  | 'maxFeePerGas'
  | 'maxPriorityFeePerGas'
  | 'gasLimit'
>

const DAY_MS = 24 * 60 * 60 * 1000

const COLUMNS = `id, anchor_id as "anchorId", chain_id as "chainId", address, kind, nonce, raw, hash,
  max_fee_per_gas as "maxFeePerGas", max_priority_fee_per_gas as "maxPriorityFeePerGas", gas_limit as "gasLimit",
  state, created_at as "createdAt", sent_at as "sentAt", send_count as "sendCount", error,
  block_number as "blockNumber", block_hash as "blockHash", mined_at as "minedAt", gas_used as "gasUsed", fee_paid as "feePaid"`

/** Stores signed bytes before they may leave. Part of the caller's transaction, beside the nonce's compare-and-set. */
export async function insertAttempt(client: pg.ClientBase, attempt: NewAttempt): Promise<Attempt> {
  const { rows } = await client.query<AttemptRow>(
    `insert into attempt (anchor_id, chain_id, address, kind, nonce, raw, hash, max_fee_per_gas,
       max_priority_fee_per_gas, gas_limit, state)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'stored') returning ${COLUMNS}`,
    [
      attempt.anchorId,
      attempt.chainId,
      attempt.address,
      attempt.kind,
      attempt.nonce,
      attempt.raw,
      attempt.hash,
      attempt.maxFeePerGas.toString(),
      attempt.maxPriorityFeePerGas.toString(),
      attempt.gasLimit,
    ],
  )
  return attemptOf(rows[0]!)
}

/** Every attempt of these anchors, oldest first. */
export async function attemptsOf(
  client: pg.Pool | pg.ClientBase,
  anchorIds: readonly number[],
): Promise<Attempt[]> {
  const { rows } = await client.query<AttemptRow>(
    `select ${COLUMNS} from attempt where anchor_id = any($1::bigint[]) order by id`,
    [anchorIds],
  )
  return rows.map(attemptOf)
}

/** An attempt, and whether its anchor is not final yet and still waits for this nonce. */
export type AttemptOnNonce = Attempt & { followed: boolean }

/** Every attempt of the account on a nonce from `first` to before `end`, by nonce, then oldest first. */
export async function attemptsOnNonces(
  client: pg.Pool | pg.ClientBase,
  account: { chainId: number; address: string },
  first: number,
  end: number,
): Promise<AttemptOnNonce[]> {
  const { rows } = await client.query<AttemptRow & { followed: boolean }>(
    `select ${COLUMNS}, exists (
       select 1 from anchor where anchor.id = attempt.anchor_id and anchor.state in ('submitted', 'mined')
         and attempt.nonce = (select max(nonce) from attempt other where other.anchor_id = anchor.id)
     ) as followed
     from attempt where chain_id = $1 and address = $2 and nonce >= $3 and nonce < $4 order by nonce, id`,
    [account.chainId, account.address, first, end],
  )
  return rows.map((row) => ({ ...attemptOf(row), followed: row.followed }))
}

/** Whether a transaction of this account that was signed here ever was in a block, as far as is known. */
export async function hasMined(
  client: pg.Pool | pg.ClientBase,
  account: { chainId: number; address: string },
): Promise<boolean> {
  const { rows } = await client.query<{ mined: boolean }>(
    `select exists (
       select 1 from attempt where chain_id = $1 and address = $2 and state in ('mined', 'reverted')
     ) as mined`,
    [account.chainId, account.address],
  )
  return rows[0]!.mined
}

/** Notes one sending and what came of it. A mined or superseded attempt keeps its state. */
export async function noteSending(
  client: pg.ClientBase,
  id: number,
  at: Date,
  outcome: { state: 'sent' | 'refused' | 'stored'; error: string | null },
): Promise<void> {
  await client.query(
    `update attempt set sent_at = $2, send_count = send_count + 1, error = $4,
       state = case when state not in ('stored', 'sent', 'refused') then state
                    when $3 = 'stored' then state else $3 end
     where id = $1`,
    [id, at, outcome.state, outcome.error],
  )
}

/** Notes that the attempt stands in a block, and what it cost. */
export async function noteMined(
  client: pg.ClientBase,
  id: number,
  at: {
    state: 'mined' | 'reverted'
    blockNumber: number
    blockHash: Buffer
    blockTime: Date
    /** Null where the endpoint does not tell it. */
    gasUsed: number | null
    /** Wei; null where it cannot be reckoned. */
    feePaid: bigint | null
  },
): Promise<void> {
  const { rowCount } = await client.query(
    `update attempt set state = $2, block_number = $3, block_hash = $4, mined_at = $5, fee_paid = $6, gas_used = $7
     where id = $1`,
    [id, at.state, at.blockNumber, at.blockHash, at.blockTime, at.feePaid?.toString() ?? null, at.gasUsed],
  )
  if (rowCount !== 1) throw new HoldfastError('INTERNAL', `Attempt ${id} is gone.`)
}

/** The anchor's attempts on its newest nonce stand in no block any more. Those on lower nonces are final and stay. */
export async function noteUnmined(client: pg.ClientBase, anchorId: number): Promise<void> {
  await client.query(
    `update attempt set state = 'sent', block_number = null, block_hash = null, mined_at = null, fee_paid = null,
       gas_used = null
     where anchor_id = $1 and state in ('mined', 'reverted')
       and nonce = (select max(nonce) from attempt where anchor_id = $1)`,
    [anchorId],
  )
}

/** Closes every attempt of the anchor that is in no block: its nonce is finally spent, they can never be mined. */
export async function supersede(client: pg.ClientBase, anchorId: number): Promise<void> {
  await client.query(
    `update attempt set state = 'superseded' where anchor_id = $1 and state in ('stored', 'sent', 'refused')`,
    [anchorId],
  )
}

/** Wei paid by the account since then, by the blocks' times. */
export async function feesPaidSince(
  client: pg.Pool | pg.ClientBase,
  chainId: number,
  address: string,
  since: Date,
): Promise<bigint> {
  const { rows } = await client.query<{ paid: string }>(
    `select coalesce(sum(fee_paid), 0) as paid from attempt where chain_id = $1 and address = $2 and mined_at > $3`,
    [chainId, address, since],
  )
  return BigInt(rows[0]!.paid)
}

/** Wei that the account pays a day, on average over `days` or since its first fee when that is later; null before that. */
export async function dailyFees(
  client: pg.Pool | pg.ClientBase,
  chainId: number,
  address: string,
  now: Date,
  days: number,
): Promise<bigint | null> {
  const { rows } = await client.query<{ paid: string | null; first: Date | null }>(
    `select sum(fee_paid) as paid, min(mined_at) as first from attempt
     where chain_id = $1 and address = $2 and mined_at > $3`,
    [chainId, address, new Date(now.getTime() - days * DAY_MS)],
  )
  const { paid, first } = rows[0]!
  if (paid === null || first === null) return null
  // A first hour would make a bad average of a day.
  const elapsedMs = Math.max(now.getTime() - first.getTime(), DAY_MS / 24)
  return (BigInt(paid) * BigInt(DAY_MS)) / BigInt(elapsedMs)
}

type AttemptRow = Omit<Attempt, 'maxFeePerGas' | 'maxPriorityFeePerGas' | 'feePaid'> & {
  maxFeePerGas: string
  maxPriorityFeePerGas: string
  feePaid: string | null
}

function attemptOf(row: AttemptRow): Attempt {
  return {
    ...row,
    maxFeePerGas: BigInt(row.maxFeePerGas),
    maxPriorityFeePerGas: BigInt(row.maxPriorityFeePerGas),
    feePaid: row.feePaid === null ? null : BigInt(row.feePaid),
  }
}
