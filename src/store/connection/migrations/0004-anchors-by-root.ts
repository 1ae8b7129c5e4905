import { type Kysely, sql } from 'kysely'

/** Verifying a receipt asks which anchors of ours have its roots; there is an anchor a tick, for years. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index anchor_root on anchor (root)`.execute(db)
}
