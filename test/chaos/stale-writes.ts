import type { Pool } from '../../src/store/connection/database.ts'

/** Written only under a lease, and under which. */
const WRITTEN_UNDER = [
  ['batch', 'seal'],
  ['anchor', 'anchor:'],
  ['attempt', 'anchor:'],
  ['account', 'anchor:'],
] as const

/** The database user of a replica: it tells who writes, whatever the writer believes. */
const userOf = (replica: number): string => `replica_${replica}`

/**
 * Has the database itself watch invariant 6: every statement on those tables is by the replica that took the lease
 * last. A daemon that checks the epoch holds the lease's row from its first statement to its commit, so that nobody can
 * take the lease in between; one that does not check is caught when it wakes up after having been overtaken.
 * @returns the URL with which each replica connects
 */
export async function watchLeasedWrites(
  pool: Pool,
  databaseUrl: string,
  options: { replicas: number; chainId: number },
): Promise<string[]> {
  const base = new URL(databaseUrl)
  await pool.query(`
    create table chaos_leader (lease text primary key, leader text not null);
    create table chaos_stale_write (
      at timestamptz not null default clock_timestamp(), writer text not null, leader text not null, written text not null
    );
    create function chaos_note_leader() returns trigger language plpgsql as $$
    begin
      insert into chaos_leader values (new.name, session_user)
        on conflict (lease) do update set leader = excluded.leader;
      return null;
    end $$;
    create trigger chaos_taken after insert on lease for each row execute function chaos_note_leader();
    create trigger chaos_overtaken after update on lease for each row
      when (old.epoch <> new.epoch) execute function chaos_note_leader();
    create function chaos_check_writer() returns trigger language plpgsql as $$
    begin
      insert into chaos_stale_write (writer, leader, written)
        select session_user, leader, tg_op || ' ' || tg_table_name from chaos_leader
        where lease = tg_argv[0] and leader <> session_user;
      return null;
    end $$;`)
  for (const [table, lease] of WRITTEN_UNDER) {
    const name = lease === 'seal' ? lease : `${lease}${options.chainId}`
    await pool.query(
      `create trigger chaos_leased after insert or update or delete on ${table}
       for each statement execute function chaos_check_writer('${name}')`,
    )
  }
  const urls: string[] = []
  for (let replica = 0; replica < options.replicas; replica += 1) {
    await pool.query(`create role ${userOf(replica)} login superuser password '${base.password}'`)
    const url = new URL(base)
    url.username = userOf(replica)
    urls.push(url.href)
  }
  return urls
}

/** What was written by a replica that had been overtaken, in words. */
export async function readStaleWrites(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ said: string }>(
    `select format('%s: %s by %s, while %s held the lease', at, written, writer, leader) as said
     from chaos_stale_write order by at`,
  )
  return rows.map(({ said }) => said)
}
