import { type Kysely, sql, type Transaction } from 'kysely'
import { HoldfastError } from '../core/errors.ts'
import type { Schema } from './schema.ts'

/** Proof that `owner` held the named work when it was given; every later write shows it to {@link requireLease}. */
export type Lease = { name: string; owner: string; epoch: number }

/**
 * Takes the named work for `ttlMs` by the database's clock, when nobody holds it, its holder's time is over, or the
 * holder is `owner` itself. Every taking raises the epoch, so that whoever held it before can no longer write.
 * Returns null while another owner holds it.
 */
export async function takeLease(
  db: Kysely<Schema>,
  name: string,
  owner: string,
  ttlMs: number,
): Promise<Lease | null> {
  const { rows } = await sql<{ epoch: number }>`
    insert into lease as held (name, owner, epoch, until)
    values (${name}, ${owner}, 1, clock_timestamp() + ${ttlMs} * interval '1 millisecond')
    on conflict (name) do update
      set owner = excluded.owner, epoch = held.epoch + 1, until = excluded.until
      where held.until < clock_timestamp() or held.owner = excluded.owner
    returning epoch`.execute(db)
  const row = rows[0]
  return row === undefined ? null : { name, owner, epoch: row.epoch }
}

/** Prolongs the lease. False when another has taken it meanwhile; one that ran out but was not taken is prolonged. */
export async function renewLease(db: Kysely<Schema>, lease: Lease, ttlMs: number): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update lease set until = clock_timestamp() + ${ttlMs} * interval '1 millisecond'
    where name = ${lease.name} and epoch = ${lease.epoch} and owner = ${lease.owner}`.execute(db)
  return numAffectedRows === 1n
}

/** Lets another take the work at once. Does nothing when the lease is already another's. */
export async function releaseLease(db: Kysely<Schema>, lease: Lease): Promise<void> {
  await sql`update lease set until = '-infinity' where name = ${lease.name} and epoch = ${lease.epoch}`.execute(
    db,
  )
}

/**
 * To be called first inside every transaction of leased work. Nobody can take the lease until the transaction ends.
 * @throws HoldfastError LEASE_LOST when another has taken it; the transaction must then be rolled back
 */
export async function requireLease(transaction: Transaction<Schema>, lease: Lease): Promise<void> {
  const { rows } = await sql`
    select 1 from lease where name = ${lease.name} and epoch = ${lease.epoch} for share`.execute(transaction)
  if (rows.length === 0) {
    throw new HoldfastError('LEASE_LOST', `Another daemon has taken ${lease.name} over.`, { retryAfter: 5 })
  }
}

/** Who holds the named work now, or null; for status and `holdfast doctor`. */
export async function readLease(
  db: Kysely<Schema>,
  name: string,
): Promise<{ owner: string; epoch: number; until: Date } | null> {
  const row = await db
    .selectFrom('lease')
    .select(['owner', 'epoch', 'until'])
    .where('name', '=', name)
    .where(sql<boolean>`until > clock_timestamp()`)
    .executeTakeFirst()
  return row ?? null
}
