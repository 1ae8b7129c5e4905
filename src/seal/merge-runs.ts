/**
 * In: several sorted runs of the leaf index. Out: one run with all their entries. Goes by steps of some megabytes, each a
 * transaction that moves the least entries of all inputs to the end of the new run: an entry is in one run at any instant,
 * and space is needed for a step, not for a copy of everything. Killed anywhere, the next step goes on from there.
 */
import { type CopyMemory, createCopyMemory } from '../store/connection/copy-out.ts'
import type { Connection } from '../store/connection/database.ts'
import { enterLease, type Lease, requireLease } from '../store/connection/leases.ts'
import { ENTRY_BYTES } from '../store/index/leaf-index.ts'
import {
  addToRun,
  createRun,
  deletePages,
  deleteRun,
  listRuns,
  markMerging,
  openPages,
  type RunInfo,
  readFirstPages,
} from '../store/index/leaf-runs.ts'
import { type Pace, SLICE_BYTES } from './pace.ts'

/** Pages of 4 KB that a step reads, of all inputs together. */
const STEP_PAGES = 2_048
/** Every write is a turn of an event loop that sealing shares. */
const WRITE_BYTES = 2 ** 20

/** A merge that is under way (`into` is its new run), or to be begun. */
export type Merge = { into: number | null; inputs: RunInfo[] }

/**
 * What to merge next: in the lowest tier where a merge is under way or `fanOut` runs wait, that merge or the oldest
 * `fanOut`; null when there is nothing to do. Size-tiered, so every entry is rewritten once a tier and the number of runs
 * grows with the logarithm of the number of batches. The oldest, so that a tier stays older than the ones below it, as
 * look-ups need it; the lowest tier, so that a large merge keeps no small one waiting.
 */
function nextMerge(runs: readonly RunInfo[], fanOut: number): Merge | null {
  const growing = new Set(runs.map(({ mergingInto }) => mergingInto))
  const tiers = [...new Set(runs.map(({ tier }) => tier))].sort((a, b) => a - b)
  for (const tier of tiers) {
    const own = runs.filter((run) => run.tier === tier)
    const moving = own.filter(({ mergingInto }) => mergingInto !== null)
    if (moving.length > 0) return { into: moving[0]!.mergingInto, inputs: moving }
    const complete = own.filter(({ id }) => !growing.has(id))
    if (complete.length >= fanOut) return { into: null, inputs: complete.slice(0, fanOut) }
  }
  return null
}

/** What a step moved, how many runs it emptied, and how many entries all runs hold. */
export type MergeStep = { entries: number; runs: number; liveEntries: number }

/**
 * One step of the next merge; null when there is nothing to merge.
 * @param reader a connection outside the transaction
 * @param writer after an error discard it, which rolls the step back
 * @throws HoldfastError LEASE_LOST when the lease's epoch has passed; nothing was written then
 */
export async function mergeStep(deps: {
  reader: Connection
  writer: Connection
  lease: Lease
  fanOut: number
  pace: Pace
  /** Default: {@link STEP_PAGES}. */
  stepPages?: number
  faultPoint?: (name: string) => Promise<void> | void
}): Promise<MergeStep | null> {
  const { reader, writer, lease } = deps
  const runs = await listRuns(reader)
  const merge = nextMerge(runs, deps.fanOut)
  if (merge === null) return null
  const { inputs } = merge
  const limit = Math.max(1, Math.floor((deps.stepPages ?? STEP_PAGES) / inputs.length))
  const memory = createCopyMemory()
  const cursors: Cursor[] = []
  for (const input of inputs) cursors.push(await openCursor(reader, input, limit, memory))

  await writer.query('begin')
  await enterLease(writer, lease)
  const into = merge.into ?? (await createRun(writer, Math.max(...inputs.map(({ tier }) => tier)) + 1))
  const pages = openPages(writer, into, WRITE_BYTES)
  for (const slice of mergeSorted(cursors)) {
    await pages.append(slice)
    await deps.pace(slice.length)
  }
  for (const cursor of cursors) {
    const rest = restOfPage(cursor)
    if (rest.length > 0) await pages.page(cursor.run.id, rest)
  }
  const written = await pages.finish()
  // Only now: while the lease's row is held, the lease cannot be renewed.
  await requireLease(writer, lease)
  await addToRun(writer, into, written)
  const taken = cursors.reduce((sum, { at }) => sum + at / ENTRY_BYTES, 0)
  if (taken !== written.entryCount)
    throw new Error(`merging took ${taken} entries and wrote ${written.entryCount}`)
  const emptied = await takeFrom(writer, cursors)
  if (merge.into === null && emptied < inputs.length) {
    const left = cursors.filter((cursor) => !isEmpty(cursor)).map(({ run }) => run.id)
    await markMerging(writer, left, into)
  }
  await deps.faultPoint?.('merge-before-commit')
  await writer.query('commit')
  const liveEntries = runs.reduce((sum, run) => sum + run.entryCount, 0)
  return { entries: taken, runs: emptied, liveEntries }
}

/** Removes what was taken from the inputs. @returns how many of them are empty, and gone */
async function takeFrom(writer: Connection, cursors: readonly Cursor[]): Promise<number> {
  let emptied = 0
  for (const cursor of cursors) {
    if (cursor.at === 0) continue
    const { run } = cursor
    const last = cursor.pageStarts.findLastIndex((start) => start < cursor.at)
    const start = cursor.pageStarts[last]!
    const deleted = await deletePages(writer, run.id, cursor.entries.subarray(start, start + ENTRY_BYTES))
    if (deleted !== last + 1)
      throw new Error(`run ${run.id}: removed ${deleted} pages instead of ${last + 1}`)
    const kept = restOfPage(cursor).length > 0 ? 1 : 0
    await addToRun(writer, run.id, { entryCount: -cursor.at / ENTRY_BYTES, pageCount: kept - deleted })
    if (!isEmpty(cursor)) continue
    await deleteRun(writer, run.id)
    emptied++
  }
  return emptied
}

/** The front of a run: the pages that were read, and the entry it stands at, as four numbers. */
type Cursor = {
  run: RunInfo
  entries: Buffer
  /** Where in `entries` each page begins. */
  pageStarts: number[]
  /** The run has pages beyond these. */
  more: boolean
  /** The same bytes as 32-bit words: moving an entry as four of them makes a merge 2.5 times as fast as Buffer.copy. */
  words: Int32Array
  at: number
  /** The key's halves at `at`, kept beside the bytes because they are compared far more often than they change. */
  upper: number
  lower: number
}

function isEmpty({ at, entries, more }: Cursor): boolean {
  return at === entries.length && !more
}

/** @param memory for what is read, only until it stands in the cursor: all cursors may share it */
async function openCursor(
  reader: Connection,
  run: RunInfo,
  limit: number,
  memory: CopyMemory,
): Promise<Cursor> {
  const pages = await readFirstPages(reader, run.id, limit, memory)
  if (pages.length === 0) throw new Error(`run ${run.id} has no page`)
  const entries = Buffer.allocUnsafeSlow(pages.reduce((sum, page) => sum + page.length, 0))
  const pageStarts: number[] = []
  let used = 0
  for (const page of pages) {
    pageStarts.push(used)
    used += page.copy(entries, used)
  }
  const more = pages.length < run.pageCount
  const cursor: Cursor = {
    run,
    entries,
    pageStarts,
    more,
    words: wordsOf(entries),
    at: 0,
    upper: 0,
    lower: 0,
  }
  moveTo(cursor, 0)
  return cursor
}

function moveTo(cursor: Cursor, at: number): void {
  cursor.at = at
  if (at === cursor.entries.length) return
  cursor.upper = cursor.entries.readUInt32BE(at)
  cursor.lower = cursor.entries.readUInt32BE(at + 4)
}

/** What is left of the page that was taken from last; empty when pages were taken whole. */
function restOfPage({ at, entries, pageStarts }: Cursor): Buffer {
  const next = pageStarts.findIndex((start) => start >= at)
  return entries.subarray(at, next < 0 ? entries.length : pageStarts[next])
}

/**
 * Moves the cursors on, and gives their entries in order, until one of them does not know its next entry. Each slice is
 * valid until the next is asked for.
 */
function* mergeSorted(cursors: readonly Cursor[]): Generator<Uint8Array> {
  const open = [...cursors]
  const slice = Buffer.allocUnsafe(SLICE_BYTES)
  const words = wordsOf(slice)
  let used = 0
  while (open.length > 0) {
    let least = open[0]!
    for (let i = 1; i < open.length; i++) if (comesBefore(open[i]!, least)) least = open[i]!
    const from = least.at / 4
    words[used] = least.words[from]!
    words[used + 1] = least.words[from + 1]!
    words[used + 2] = least.words[from + 2]!
    words[used + 3] = least.words[from + 3]!
    used += ENTRY_BYTES / 4
    moveTo(least, least.at + ENTRY_BYTES)
    if (used === words.length) {
      yield slice
      used = 0
    }
    if (least.at < least.entries.length) continue
    if (least.more) break
    open.splice(open.indexOf(least), 1)
  }
  if (used > 0) yield slice.subarray(0, used * 4)
}

/** A view of n x 16 bytes that Buffer has allocated, which it does at multiples of 8. */
function wordsOf(entries: Buffer): Int32Array {
  return new Int32Array(entries.buffer, entries.byteOffset, entries.length / 4)
}

/** Whether `a`'s entry comes before `b`'s. */
function comesBefore(a: Cursor, b: Cursor): boolean {
  if (a.upper !== b.upper) return a.upper < b.upper
  if (a.lower !== b.lower) return a.lower < b.lower
  return a.entries.compare(b.entries, b.at + 8, b.at + ENTRY_BYTES, a.at + 8, a.at + ENTRY_BYTES) < 0
}
