import { type Kysely, sql } from 'kysely'

/** Makes the tables of the service where they are missing. Times keep milliseconds, as JavaScript does. */
export async function createTables<Tables>(db: Kysely<Tables>): Promise<void> {
  await sql`
    create table if not exists hand_over (
      id bigint generated always as identity primary key,
      shipment text not null,
      place text not null,
      handed_by text not null,
      at timestamptz(3) not null default now()
    )`.execute(db)
  await sql`
    create table if not exists outbox (
      id bigint generated always as identity primary key,
      hand_over bigint not null unique references hand_over,
      hash text not null,
      record json not null,
      pushed_at timestamptz,
      receipt json
    )`.execute(db)
}
