import { openCopy } from '../connection/copy.ts'
import { type CopyMemory, copyOut } from '../connection/copy-out.ts'
import type { Connection, Pool } from '../connection/database.ts'
import { vacuum } from '../connection/vacuum.ts'
import { ENTRY_BYTES, PAGE_ENTRIES } from './leaf-index.ts'

export type RunWriter = {
  /** Appends entries, n x 16 bytes, sorted and after all appended before. */
  append(entries: Uint8Array): Promise<void>
  /** Stores the last page and the run's size. */
  finish(): Promise<{ id: number; entryCount: number }>
}

/**
 * Writes one sorted run by COPY on a connection that is in a transaction; nothing else may use it until `finish`.
 * @param bufferBytes see `openCopy`
 */
export async function openRun(client: Connection, tier: number, bufferBytes?: number): Promise<RunWriter> {
  const { rows } = await client.query<{ id: number }>(
    'insert into leaf_run (tier, entry_count, page_count) values ($1, 0, 0) returning id',
    [tier],
  )
  const id = rows[0]!.id
  const copy = openCopy(client, 'leaf_page', ['run_id', 'first_entry', 'entries'], bufferBytes)
  const pageBytes = PAGE_ENTRIES * ENTRY_BYTES
  const page = Buffer.allocUnsafe(pageBytes)
  let used = 0
  let pageCount = 0
  let entryCount = 0

  async function writePage(entries: Uint8Array): Promise<void> {
    pageCount++
    entryCount += entries.length / ENTRY_BYTES
    copy.row([{ int8: id }, { bytea: entries.subarray(0, ENTRY_BYTES) }, { bytea: entries }])
    await copy.ready()
  }

  return {
    async append(entries) {
      let start = 0
      if (used > 0) {
        start = Math.min(pageBytes - used, entries.length)
        page.set(entries.subarray(0, start), used)
        used += start
        if (used < pageBytes) return
        await writePage(page)
        used = 0
      }
      for (; start + pageBytes <= entries.length; start += pageBytes) {
        await writePage(entries.subarray(start, start + pageBytes))
      }
      page.set(entries.subarray(start), 0)
      used = entries.length - start
    },
    async finish() {
      if (used > 0) await writePage(page.subarray(0, used))
      await copy.end()
      await client.query('update leaf_run set entry_count = $2, page_count = $3 where id = $1', [
        id,
        entryCount,
        pageCount,
      ])
      return { id, entryCount }
    },
  }
}

export type RunInfo = { id: number; tier: number; entryCount: number; pageCount: number }

/**
 * All runs, oldest first within their tier. Whatever is in a run of a higher tier was sealed before what is in any of a
 * lower one: look-ups for the earliest leaf rest on it.
 */
export async function listRuns(client: Connection | Pool): Promise<RunInfo[]> {
  const { rows } = await client.query<RunInfo>(
    'select id, tier, entry_count as "entryCount", page_count as "pageCount" from leaf_run order by tier, id',
  )
  return rows
}

/** The run's pages after `after` (a first entry, or null for the start), in order, at most `limit`; see `copyOut`. */
export async function readPages(
  client: Connection,
  runId: number,
  after: Buffer | null,
  limit: number,
  memory: CopyMemory,
): Promise<{ firstEntry: Buffer; entries: Buffer }[]> {
  const rows = await copyOut(
    client,
    `select first_entry, entries from leaf_page where run_id = ${BigInt(runId)}
       and first_entry > '\\x${after?.toString('hex') ?? ''}'::bytea order by first_entry limit ${BigInt(limit)}`,
    memory,
  )
  return rows.map(([firstEntry, entries]) => ({ firstEntry: firstEntry!, entries: entries! }))
}

/** Removes runs and their pages, in the transaction that stored the run made of them. */
export async function deleteRuns(client: Connection, ids: readonly number[]): Promise<void> {
  await client.query('delete from leaf_page where run_id = any($1::bigint[])', [ids])
  const { rowCount } = await client.query('delete from leaf_run where id = any($1::bigint[])', [ids])
  if (rowCount !== ids.length) throw new Error(`expected to remove ${ids.length} runs, removed ${rowCount}`)
}

/** Gives the space of removed pages to the next runs. Autovacuum would too, but not while a backlog is being sealed. */
export async function reclaimPages(pool: Pool, signal: AbortSignal): Promise<void> {
  await vacuum(pool, 'leaf_page, leaf_run', signal)
}
