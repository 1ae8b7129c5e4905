import { type Kysely, sql } from 'kysely'

/**
 * How much gas a mined attempt used, which tells one that ran out of it from one that reverted. And whether an account's
 * first nonce is certain: until it is, it is the one answer of a node, which may lag.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table attempt add column gas_used bigint`.execute(db)
  await sql`alter table account add column confirmed boolean not null default true`.execute(db)
}
