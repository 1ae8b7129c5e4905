import type pg from 'pg'
import { HoldfastError } from '../../core/errors.ts'

/**
 * Named work that one daemon at a time may do. A lease is a row, not a session lock: it survives connection poolers
 * and ends by itself. The epoch grows with every change of owner; a write by an owner whose epoch has passed is
 * refused inside its own transaction by {@link requireLease}. All times are the database's, so clocks may differ.
 */
export type Lease = { name: string; epoch: number }

/** Takes the lease when it is free, has run out, or is already this owner's; null while another holds it. */
export async function acquireLease(
  client: pg.ClientBase | pg.Pool,
  name: string,
  owner: string,
  ttlMs: number,
): Promise<Lease | null> {
  const { rows } = await client.query<Lease>(
    `insert into lease (name, owner, epoch, until)
     values ($1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond')
     on conflict (name) do update
       set owner = excluded.owner, epoch = lease.epoch + 1, until = excluded.until
       where lease.until < clock_timestamp() or lease.owner = excluded.owner
     returning name, epoch`,
    [name, owner, ttlMs],
  )
  return rows[0] ?? null
}

/** Prolongs the lease; false when its epoch has passed, and the work must stop. */
export async function renewLease(
  client: pg.ClientBase | pg.Pool,
  lease: Lease,
  ttlMs: number,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `update lease set until = clock_timestamp() + $3 * interval '1 millisecond' where name = $1 and epoch = $2`,
    [lease.name, lease.epoch, ttlMs],
  )
  return rowCount === 1
}

/**
 * Holds the lease's row until the transaction ends, so that no other daemon takes over before its commit, and refuses a
 * stale epoch. Belongs at the start of a short transaction. A long one begins with {@link enterLease} and ends with
 * this: while the row is held, the lease cannot be renewed.
 * @throws HoldfastError LEASE_LOST
 */
export async function requireLease(client: pg.ClientBase, lease: Lease): Promise<void> {
  const { rowCount } = await client.query({
    name: 'require-lease',
    text: 'select 1 from lease where name = $1 and epoch = $2 for share',
    values: [lease.name, lease.epoch],
  })
  if (rowCount !== 1) throw leaseLost(lease)
}

/**
 * First in a long transaction under the lease: marks its session with the epoch, by an advisory lock that ends with the
 * transaction, and refuses a stale epoch. The next holder ends sessions with an earlier mark, see
 * {@link endFormerHolders}. The transaction must call {@link requireLease} before its commit.
 * @throws HoldfastError LEASE_LOST
 */
export async function enterLease(client: pg.ClientBase, lease: Lease): Promise<void> {
  await client.query(`select pg_advisory_xact_lock_shared(${markOf('$1')}, $2::int)`, [
    lease.name,
    epochMark(lease),
  ])
  // After the mark: whoever takes over from here on sees it.
  const { rowCount } = await client.query('select 1 from lease where name = $1 and epoch = $2', [
    lease.name,
    lease.epoch,
  ])
  if (rowCount !== 1) throw leaseLost(lease)
}

/**
 * Ends the sessions that hold a mark of an earlier epoch. Their transactions cannot commit any more, but hold locks
 * that the new holder would wait for, in a stopped process for ever.
 * @returns how many there were
 */
export async function endFormerHolders(pool: pg.Pool, lease: Lease): Promise<number> {
  const { rows } = await pool.query<{ ended: boolean }>(
    `select pg_terminate_backend(pid) as ended from pg_locks
     where locktype = 'advisory' and objsubid = 2 and objid::bigint <> $2
       and classid::bigint = ${markOf('$1')}::bigint & 4294967295
       and database = (select oid from pg_database where datname = current_database())`,
    [lease.name, epochMark(lease)],
  )
  return rows.length
}

function markOf(name: string): string {
  return `hashtext('holdfast lease ' || ${name})`
}

/** Two epochs that are 2^31 takeovers apart share a mark. */
function epochMark({ epoch }: Lease): number {
  return epoch % 2 ** 31
}

export function leaseLost({ name, epoch }: Lease): HoldfastError {
  return new HoldfastError('LEASE_LOST', `Epoch ${epoch} of the lease ${name} has passed.`)
}

/** Lets the next daemon take over at once. */
export async function releaseLease(client: pg.ClientBase | pg.Pool, lease: Lease): Promise<void> {
  await client.query('update lease set until = clock_timestamp() where name = $1 and epoch = $2', [
    lease.name,
    lease.epoch,
  ])
}

/** Who holds the lease now, or null when nobody does. */
export async function leaseHolder(
  client: pg.ClientBase | pg.Pool,
  name: string,
): Promise<{ owner: string; epoch: number; until: Date } | null> {
  const { rows } = await client.query(
    'select owner, epoch, until from lease where name = $1 and until >= clock_timestamp()',
    [name],
  )
  return rows[0] ?? null
}
