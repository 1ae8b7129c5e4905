import { type Kysely, sql } from 'kysely'

/** Sealing reads the oldest chunks of each source. The log is short, so the index is made in a moment. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index intake_source on intake (source_id, id)`.execute(db)
}
