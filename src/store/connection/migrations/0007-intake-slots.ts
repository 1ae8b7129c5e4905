import { type Kysely, sql } from 'kysely'

/** As {@link SLOTS} of store/intake/slots.ts was when this migration was written. */
const SLOTS = 8

/**
 * Cuts the log into partitions that take turns, so that each can be truncated once its chunks are sealed. What waits
 * stays where it is, as slot 0. A daemon of the version before goes on inserting through the parent, into slot 0. Locks
 * the log for as long as its rows, without the hashes, are read once.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`lock table intake in access exclusive mode`.execute(db)
  const { rows } = await sql<{ next: string }>`
    select nextval(pg_get_serial_sequence('intake', 'id'))::text as next`.execute(db)
  const next = BigInt(rows[0]!.next)
  for (const statement of statementsFrom(next)) await sql.raw(statement).execute(db)
}

function statementsFrom(next: bigint): string[] {
  const statements = [
    `create sequence intake_id as bigint start ${next}`,
    'alter table intake alter column id drop identity',
    'alter table intake rename to intake_0',
    'alter table intake_0 add column slot smallint not null default 0',
    `alter table intake_0 alter column id set default nextval('intake_id')`,
    `create table intake (
      id bigint not null default nextval('intake_id'),
      source_id int not null,
      received_at timestamptz not null,
      leaf_count int not null,
      hashes bytea not null,
      slot smallint not null default 0
    ) partition by list (slot)`,
    'alter sequence intake_id owned by intake.id',
    'alter table intake attach partition intake_0 for values in (0)',
  ]
  for (let slot = 1; slot < SLOTS; slot++) {
    statements.push(
      `create table intake_${slot} (like intake_0 including all) with (
        autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 20000
      )`,
      `alter table intake_${slot} alter column slot set default ${slot}`,
      `alter table intake attach partition intake_${slot} for values in (${slot})`,
    )
  }
  return statements
}
