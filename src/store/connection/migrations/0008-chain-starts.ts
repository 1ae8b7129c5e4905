import { type Kysely, sql } from 'kysely'

/**
 * When a chain was first configured, what was sealed by then, and the chain's first block. Chains that have anchors
 * began with the first of them, and skip nothing.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create table chain_start (
    chain_id bigint primary key,
    started_at timestamptz not null,
    newest_batch int not null,
    skipped_through int not null,
    genesis bytea check (length(genesis) = 32)
  )`.execute(db)
  await sql`insert into chain_start (chain_id, started_at, newest_batch, skipped_through)
    select chain_id, min(created_at), 0, 0 from anchor group by chain_id`.execute(db)
}
