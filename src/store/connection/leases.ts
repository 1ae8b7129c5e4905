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
 * To be the first statement of every transaction under the lease: holds the row until the transaction ends, so that
 * no other daemon takes over in between, and refuses a stale epoch.
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
