import { openCopy } from '../connection/copy.ts'
import { type CopyMemory, copyOut } from '../connection/copy-out.ts'
import type { Connection, Pool } from '../connection/database.ts'
import { vacuum } from '../connection/vacuum.ts'
import { ENTRY_BYTES, PAGE_ENTRIES } from './leaf-index.ts'

export type PageWriter = {
  /** Appends entries, n x 16 bytes, sorted and after all appended before. */
  append(entries: Uint8Array): Promise<void>
  /** Writes one page of another run, of at most {@link PAGE_ENTRIES} entries. */
  page(runId: number, entries: Uint8Array): Promise<void>
  /** Writes the last page. Says what was appended, other runs' pages aside. */
  finish(): Promise<{ entryCount: number; pageCount: number }>
}

/** Adds an empty run. Part of the caller's transaction. */
export async function createRun(client: Connection, tier: number): Promise<number> {
  const { rows } = await client.query<{ id: number }>(
    'insert into leaf_run (tier, entry_count, page_count) values ($1, 0, 0) returning id',
    [tier],
  )
  return rows[0]!.id
}

/**
 * Writes pages of a run by COPY on a connection that is in a transaction; nothing else may use it until `finish`. The
 * caller notes what was added: {@link addToRun}.
 * @param bufferBytes see `openCopy`
 */
export function openPages(client: Connection, runId: number, bufferBytes?: number): PageWriter {
  const copy = openCopy(client, 'leaf_page', ['run_id', 'first_entry', 'entries'], bufferBytes)
  const pageBytes = PAGE_ENTRIES * ENTRY_BYTES
  const held = Buffer.allocUnsafe(pageBytes)
  let used = 0
  let pageCount = 0
  let entryCount = 0

  async function page(id: number, entries: Uint8Array): Promise<void> {
    copy.row([{ int8: id }, { bytea: entries.subarray(0, ENTRY_BYTES) }, { bytea: entries }])
    await copy.ready()
  }

  async function own(entries: Uint8Array): Promise<void> {
    pageCount++
    entryCount += entries.length / ENTRY_BYTES
    await page(runId, entries)
  }

  return {
    page,
    async append(entries) {
      let start = 0
      if (used > 0) {
        start = Math.min(pageBytes - used, entries.length)
        held.set(entries.subarray(0, start), used)
        used += start
        if (used < pageBytes) return
        await own(held)
        used = 0
      }
      for (; start + pageBytes <= entries.length; start += pageBytes) {
        await own(entries.subarray(start, start + pageBytes))
      }
      held.set(entries.subarray(start), 0)
      used = entries.length - start
    },
    async finish() {
      if (used > 0) await own(held.subarray(0, used))
      await copy.end()
      return { entryCount, pageCount }
    },
  }
}

/** Notes what a run has more, or less, than before. */
export async function addToRun(
  client: Connection,
  runId: number,
  { entryCount, pageCount }: { entryCount: number; pageCount: number },
): Promise<void> {
  await client.query(
    'update leaf_run set entry_count = entry_count + $2, page_count = page_count + $3 where id = $1',
    [runId, entryCount, pageCount],
  )
}

/** A run whose entries are being moved to another has that one's id in `mergingInto`. */
export type RunInfo = {
  id: number
  tier: number
  entryCount: number
  pageCount: number
  mergingInto: number | null
}

/**
 * All runs, oldest first within their tier. Whatever is in a run of a higher tier was sealed before what is in any of a
 * lower one, a run aside that is being merged into it, whose entries it shares: look-ups for the earliest leaf rest on it.
 */
export async function listRuns(client: Connection | Pool): Promise<RunInfo[]> {
  const { rows } = await client.query<RunInfo>(
    `select id, tier, entry_count as "entryCount", page_count as "pageCount", merging_into as "mergingInto"
     from leaf_run order by tier, id`,
  )
  return rows
}

/** The run's first pages, at most `limit`, in order; see `copyOut`. */
export async function readFirstPages(
  client: Connection,
  runId: number,
  limit: number,
  memory: CopyMemory,
): Promise<Buffer[]> {
  const rows = await copyOut(
    client,
    `select entries from leaf_page where run_id = ${BigInt(runId)} order by first_entry limit ${BigInt(limit)}`,
    memory,
  )
  return rows.map(([entries]) => entries!)
}

/** Marks the runs as being merged into another. */
export async function markMerging(client: Connection, ids: readonly number[], into: number): Promise<void> {
  await client.query('update leaf_run set merging_into = $2 where id = any($1::bigint[])', [ids, into])
}

/** Removes the run's pages up to the one that starts with `lastFirstEntry`. @returns how many there were */
export async function deletePages(
  client: Connection,
  runId: number,
  lastFirstEntry: Buffer,
): Promise<number> {
  const { rowCount } = await client.query('delete from leaf_page where run_id = $1 and first_entry <= $2', [
    runId,
    lastFirstEntry,
  ])
  return rowCount ?? 0
}

/** Removes a run that has no entries left. */
export async function deleteRun(client: Connection, runId: number): Promise<void> {
  const { rowCount } = await client.query(
    'delete from leaf_run where id = $1 and entry_count = 0 and page_count = 0',
    [runId],
  )
  if (rowCount !== 1) throw new Error(`run ${runId} should be empty, and is not`)
}

/** Gives the space of removed pages to the next runs. Autovacuum would too, but not while a backlog is being sealed. */
export async function reclaimPages(pool: Pool, signal: AbortSignal): Promise<void> {
  await vacuum(pool, 'leaf_page, leaf_run', signal)
}
