import type { Pool } from '../src/store/connection/database.ts'

export type SizeWatch = {
  /** The largest size of the database so far, in bytes, and what it was made of. */
  peak(): { bytes: number; tables: string }
  stop(): void
}

const EVERY_MS = 250

/** Looks at the size of the database four times a second. */
export function watchSize(pool: Pool): SizeWatch {
  let bytes = 0
  let tables = ''
  let looking = false
  async function look(): Promise<void> {
    if (looking) return
    looking = true
    try {
      const now = await databaseBytes(pool)
      if (now <= bytes) return
      bytes = now
      tables = await tableSizes(pool)
    } finally {
      looking = false
    }
  }
  const timer = setInterval(() => void look().catch(() => undefined), EVERY_MS)
  return { peak: () => ({ bytes, tables }), stop: () => clearInterval(timer) }
}

export async function databaseBytes(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ bytes: number }>('select pg_database_size(current_database()) as bytes')
  return Number(rows[0]!.bytes)
}

/** The largest tables with their indexes and TOAST, partitions together, for the reader. */
export async function tableSizes(pool: Pool): Promise<string> {
  const { rows } = await pool.query<{ name: string; kb: number }>(
    `select coalesce(parent.relname, c.relname) as name, round(sum(pg_total_relation_size(c.oid)) / 1024.0)::int as kb
     from pg_class c left join pg_inherits i on i.inhrelid = c.oid left join pg_class parent on parent.oid = i.inhparent
     where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace group by 1 order by 2 desc limit 7`,
  )
  return rows.map(({ name, kb }) => `${name} ${kb} kB`).join(' · ')
}
