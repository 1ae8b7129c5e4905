import { type Kysely, sql } from 'kysely'

/** The run that a run of the leaf index is being merged into, step by step. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table leaf_run add column merging_into bigint`.execute(db)
}
