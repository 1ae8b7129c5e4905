import type pg from 'pg'
import type { AnchorReason, AnchorState } from '../../core/anchor-state.ts'
import { HoldfastError } from '../../core/errors.ts'

/** Where an anchor's transaction stands on the chain. */
export type MinedAt = {
  transactionHash: Buffer
  blockNumber: number
  blockHash: Buffer
  blockTime: Date
  gasUsed: number | null
}

export type Anchor = {
  id: number
  chainId: number
  registry: string
  publisher: string
  mode: 'storage' | 'event'
  root: Buffer
  state: AnchorState
  firstBatch: number
  lastBatch: number
  leafCount: number
  anchorBy: Date
  createdAt: Date
  transactionHash: Buffer | null
  blockNumber: number | null
  blockHash: Buffer | null
  blockTime: Date | null
  gasUsed: number | null
  finalizedAt: Date | null
  reason: AnchorReason | null
  detail: string | null
  /** What an operator asked for and the anchorer has not done yet. */
  wish: AnchorWish | null
}

/** `cancel`: spend the nonce on a no-op, then sign anew. `retry`: offer more now, not when the time comes. */
export type AnchorWish = 'cancel' | 'retry'

/** `waitsSince`: when its first record was received, or the chain was configured when that came later. */
export type UnanchoredBatch = { id: number; root: Buffer; leafCount: number; waitsSince: Date }

export type NewAnchor = Pick<
  Anchor,
  | 'chainId'
  | 'registry'
  | 'publisher'
  | 'mode'
  | 'root'
  | 'firstBatch'
  | 'lastBatch'
  | 'leafCount'
  | 'anchorBy'
>

const COLUMNS = `id, chain_id as "chainId", registry, publisher, mode, root, state, first_batch as "firstBatch",
  last_batch as "lastBatch", leaf_count as "leafCount", anchor_by as "anchorBy", created_at as "createdAt",
  transaction_hash as "transactionHash", block_number as "blockNumber", block_hash as "blockHash",
  block_time as "blockTime", gas_used as "gasUsed", finalized_at as "finalizedAt", reason, detail, wish`

/** Members of an anchor are written this many rows a statement, some 10 ms of the event loop. */
const MEMBER_ROWS = 1_024

/** The newest batch that no anchor of the chain will hold: it is in one, or was sealed before a chain that starts later. */
const DONE_WITH = `(select greatest(
  (select max(last_batch) from anchor where chain_id = $1),
  (select skipped_through from chain_start where chain_id = $1), 0))`

/** A record cannot wait for a chain before that was configured. */
const WAITS_SINCE = `greatest(first_received_at, (select started_at from chain_start where chain_id = $1))`

/** Batches that are to be in an anchor of this chain and are in none yet, in order. */
export async function unanchoredBatches(
  client: pg.Pool | pg.ClientBase,
  chainId: number,
  limit: number,
): Promise<UnanchoredBatch[]> {
  const { rows } = await client.query<UnanchoredBatch>(
    `select id, root, leaf_count as "leafCount", ${WAITS_SINCE} as "waitsSince" from batch
     where id > ${DONE_WITH} order by id limit $2`,
    [chainId, limit],
  )
  return rows
}

/** `waitsSince`: of the oldest record, from when its deadline counts; null when nothing waits. */
export type Backlog = {
  batches: number
  leaves: number
  oldestReceivedAt: Date | null
  waitsSince: Date | null
}

/** How much is to be in an anchor of this chain and is in none yet. */
export async function anchorBacklog(client: pg.Pool | pg.ClientBase, chainId: number): Promise<Backlog> {
  const { rows } = await client.query<Backlog>(
    `select count(*) as batches, coalesce(sum(leaf_count), 0)::bigint as leaves,
       min(first_received_at) as "oldestReceivedAt", min(${WAITS_SINCE}) as "waitsSince" from batch
     where id > ${DONE_WITH}`,
    [chainId],
  )
  return rows[0]!
}

/**
 * Stores an anchor, `prepared`, with the path of each member. Part of the caller's transaction.
 * @param members batch ids in order, with siblings from the batch's root up to the anchor's, n x 32 bytes
 */
export async function insertAnchor(
  client: pg.ClientBase,
  anchor: NewAnchor,
  members: Iterable<{ batchId: number; path: Buffer }>,
): Promise<number> {
  const { rows } = await client.query<{ id: number }>(
    `insert into anchor (chain_id, registry, publisher, mode, root, state, first_batch, last_batch, leaf_count, anchor_by)
     values ($1, $2, $3, $4, $5, 'prepared', $6, $7, $8, $9) returning id`,
    [
      anchor.chainId,
      anchor.registry,
      anchor.publisher,
      anchor.mode,
      anchor.root,
      anchor.firstBatch,
      anchor.lastBatch,
      anchor.leafCount,
      anchor.anchorBy,
    ],
  )
  const id = rows[0]!.id
  let slice: { batchId: number; path: Buffer }[] = []
  for (const member of members) {
    slice.push(member)
    if (slice.length < MEMBER_ROWS) continue
    await insertMembers(client, id, slice)
    slice = []
  }
  if (slice.length > 0) await insertMembers(client, id, slice)
  return id
}

async function insertMembers(
  client: pg.ClientBase,
  anchorId: number,
  members: readonly { batchId: number; path: Buffer }[],
): Promise<void> {
  await client.query(
    `insert into anchor_batch (batch_id, anchor_id, path)
     select batch_id, $1, path from unnest($2::int[], $3::bytea[]) as member (batch_id, path)`,
    [anchorId, members.map((member) => member.batchId), members.map((member) => member.path)],
  )
}

/** How many of the roots belong to no anchor of the chain here. */
export async function countUnknownRoots(
  client: pg.Pool | pg.ClientBase,
  chainId: number,
  roots: readonly Buffer[],
): Promise<number> {
  const { rows } = await client.query<{ unknown: number }>(
    `select count(*)::int as unknown from unnest($2::bytea[]) as seen (root)
     where not exists (select from anchor where chain_id = $1 and anchor.root = seen.root)`,
    [chainId, roots],
  )
  return rows[0]!.unknown
}

/** Every anchor of the chain that is not final yet, oldest first. */
export async function openAnchors(client: pg.Pool | pg.ClientBase, chainId: number): Promise<Anchor[]> {
  const { rows } = await client.query<Anchor>(
    `select ${COLUMNS} from anchor where chain_id = $1 and state <> 'finalized' order by id`,
    [chainId],
  )
  return rows
}

export async function readAnchor(client: pg.Pool | pg.ClientBase, id: number): Promise<Anchor | null> {
  const { rows } = await client.query<Anchor>(`select ${COLUMNS} from anchor where id = $1`, [id])
  return rows[0] ?? null
}

/** Newest first, ids below `before`. */
export async function listAnchors(
  client: pg.Pool | pg.ClientBase,
  options: { chainId?: number; before?: number; limit: number },
): Promise<Anchor[]> {
  const { rows } = await client.query<Anchor>(
    `select ${COLUMNS} from anchor
     where ($1::bigint is null or chain_id = $1) and ($2::bigint is null or id < $2) order by id desc limit $3`,
    [options.chainId ?? null, options.before ?? null, options.limit],
  )
  return rows
}

/** The newest anchor of the chain that was ever mined or finalized, for status. */
export async function lastMinedAnchor(
  client: pg.Pool | pg.ClientBase,
  chainId: number,
  state?: 'finalized',
): Promise<Anchor | null> {
  const { rows } = await client.query<Anchor>(
    `select ${COLUMNS} from anchor where chain_id = $1 and state = any($2::text[]) order by id desc limit 1`,
    [chainId, state === undefined ? ['mined', 'finalized'] : [state]],
  )
  return rows[0] ?? null
}

/** `prepared → submitted`, by this key and to this registry from now on, whatever it was planned with. */
export async function markSubmitted(
  client: pg.ClientBase,
  id: number,
  by: Pick<Anchor, 'publisher' | 'registry' | 'mode'>,
): Promise<void> {
  await moveOne(
    client,
    `update anchor set state = 'submitted', publisher = $2, registry = $3, mode = $4, reason = null, detail = null,
       wish = null
     where id = $1 and state = 'prepared'`,
    [id, by.publisher, by.registry, by.mode],
  )
}

/** `submitted → mined`, or another block for one that is mined already. */
export async function markMined(
  client: pg.ClientBase,
  id: number,
  publisher: string,
  at: MinedAt,
): Promise<void> {
  await moveOne(
    client,
    `update anchor set state = 'mined', publisher = $2, transaction_hash = $3, block_number = $4, block_hash = $5,
       block_time = $6, gas_used = $7, reason = null, detail = null, wish = null
     where id = $1 and state in ('submitted', 'mined')`,
    [id, publisher, at.transactionHash, at.blockNumber, at.blockHash, at.blockTime, at.gasUsed],
  )
}

/** `mined → finalized`, of exactly the block that was found final. */
export async function markFinalized(
  client: pg.ClientBase,
  id: number,
  blockHash: Buffer,
  at: Date,
): Promise<void> {
  await moveOne(
    client,
    `update anchor set state = 'finalized', finalized_at = $3, reason = null, detail = null
     where id = $1 and state = 'mined' and block_hash = $2`,
    [id, blockHash, at],
  )
}

/** Back to `submitted`, from a block that is no longer part of the chain. */
export async function regressToSubmitted(client: pg.ClientBase, id: number): Promise<void> {
  await moveOne(
    client,
    `update anchor set state = 'submitted', transaction_hash = null, block_number = null, block_hash = null,
       block_time = null, gas_used = null, finalized_at = null
     where id = $1 and state in ('mined', 'finalized')`,
    [id],
  )
}

/** Back to `prepared`: its nonce is finally spent on something else, and a new transaction may be signed. */
export async function regressToPrepared(client: pg.ClientBase, id: number): Promise<void> {
  await moveOne(
    client,
    `update anchor set state = 'prepared', wish = null where id = $1 and state = 'submitted'`,
    [id],
  )
}

/** Why the anchor is late or not moving; null when it moves. Writes only what changed. */
export async function setAnchorReason(
  client: pg.ClientBase,
  id: number,
  reason: AnchorReason | null,
  detail: string | null,
): Promise<void> {
  await client.query(
    `update anchor set reason = $2, detail = $3
     where id = $1 and (reason is distinct from $2 or detail is distinct from $3)`,
    [id, reason, detail],
  )
}

/** Leaves an operator's wish for the anchorer's next look; null takes it back. False when there is no such open anchor. */
export async function setAnchorWish(
  client: pg.Pool | pg.ClientBase,
  id: number,
  wish: AnchorWish | null,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `update anchor set wish = $2 where id = $1 and state in ('prepared', 'submitted')`,
    [id, wish],
  )
  return rowCount === 1
}

async function moveOne(client: pg.ClientBase, text: string, values: unknown[]): Promise<void> {
  const { rowCount } = await client.query(text, values)
  if (rowCount !== 1) {
    throw new HoldfastError('INTERNAL', `Anchor ${values[0]} is not in the state that its follower read.`)
  }
}
