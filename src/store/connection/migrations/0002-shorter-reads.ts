import { type Kysely, sql } from 'kysely'

/**
 * Roots of a tile's groups of 32 nodes, n x 32 bytes, so that a path needs 32 of its nodes and not 256. And rows of the
 * leaf index that stay in the table: reading one entry of a row in TOAST took most of a look-up.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table tile add column group_roots bytea check (length(group_roots) % 32 = 0)`.execute(db)
  await sql`alter table tile alter column group_roots set storage plain`.execute(db)
  await sql`alter table leaf_page set (toast_tuple_target = 8160)`.execute(db)
}
