import { type Kysely, sql } from 'kysely'

/** Roots of a tile's groups of 32 nodes, n x 32 bytes, so that a path needs 32 of its nodes and not 256. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table tile add column group_roots bytea check (length(group_roots) % 32 = 0)`.execute(db)
  await sql`alter table tile alter column group_roots set storage plain`.execute(db)
}
