/**
 * In: several sorted runs of the leaf index. Out: one run with all their entries, in one transaction, so that a
 * look-up sees either the old runs or the new one. Streams: memory is a few pages a run. Killed anywhere before
 * COMMIT, the old runs stand.
 */
import { HoldfastError } from '../core/errors.ts'
import { type CopyMemory, createCopyMemory } from '../store/connection/copy-out.ts'
import type { Connection } from '../store/connection/database.ts'
import { type Lease, requireLease } from '../store/connection/leases.ts'
import { ENTRY_BYTES } from '../store/index/leaf-index.ts'
import { deleteRuns, openRun, type RunInfo, readPages } from '../store/index/leaf-runs.ts'
import { createPace, SLICE_BYTES } from './pace.ts'

/** A megabyte each: every read and every write is a turn of an event loop that sealing shares. */
const PAGES_A_READ = 256
const WRITE_BYTES = 2 ** 20

/**
 * The runs to merge next: the oldest `fanOut` of the lowest tier that holds as many; null when there is nothing to
 * do. Size-tiered, so every entry is rewritten once a tier and the number of runs grows with the logarithm of the
 * number of batches. The oldest, so that a tier stays older than the ones below it, as look-ups need it.
 */
export function runsToMerge(runs: readonly RunInfo[], fanOut: number): RunInfo[] | null {
  const tiers = new Map<number, RunInfo[]>()
  for (const run of runs) {
    const tier = tiers.get(run.tier)
    if (tier) tier.push(run)
    else tiers.set(run.tier, [run])
  }
  const full = [...tiers.entries()].filter(([, tier]) => tier.length >= fanOut).sort(([a], [b]) => a - b)[0]
  return full ? full[1].slice(0, fanOut) : null
}

/**
 * Merges the runs into one of the next tier.
 * @param reader a connection outside the transaction; runs never change, and COPY occupies the writer
 * @param writer after an error discard it, which rolls the transaction back
 * @throws HoldfastError LEASE_LOST when the lease's epoch has passed, SHUTTING_DOWN; nothing was written then
 */
export async function mergeRuns(deps: {
  reader: Connection
  writer: Connection
  lease: Lease
  runs: readonly RunInfo[]
  /** Asked every few thousand entries; true gives the merge up. */
  stopped?: () => boolean
  faultPoint?: (name: string) => Promise<void> | void
}): Promise<{ id: number; entryCount: number }> {
  const { reader, writer, lease, runs } = deps
  await writer.query('begin')
  const tier = Math.max(...runs.map((run) => run.tier)) + 1
  const merged = await openRun(writer, tier, WRITE_BYTES)
  const cursors: Cursor[] = []
  const memory = createCopyMemory()
  for (const run of runs) cursors.push(await openCursor(reader, run.id, memory))
  const paced = createPace()
  for await (const slice of mergeSorted(cursors)) {
    if (deps.stopped?.())
      throw new HoldfastError('SHUTTING_DOWN', 'The merge is given up; the old runs stand.')
    await merged.append(slice)
    await paced(slice.length)
  }
  const result = await merged.finish()
  const expected = runs.reduce((sum, run) => sum + run.entryCount, 0)
  if (result.entryCount !== expected) {
    throw new Error(`merging gave ${result.entryCount} entries instead of ${expected}`)
  }
  // Only now: the lease's row stays locked until the commit, and sealing must be able to renew it meanwhile.
  await requireLease(writer, lease)
  await deleteRuns(
    writer,
    runs.map((run) => run.id),
  )
  await deps.faultPoint?.('merge-before-commit')
  await writer.query('commit')
  return result
}

/** A run being read: the entry it stands at, as four numbers, and the pages it holds. */
type Cursor = {
  entries: Buffer
  /** The same bytes as 32-bit words: moving an entry as four of them makes a merge 2.5 times as fast as Buffer.copy. */
  words: Int32Array
  at: number
  /** The key's halves at `at`, kept beside the bytes because they are compared far more often than they change. */
  upper: number
  lower: number
  /** Moves past the last entry held; false at the end of the run. */
  refill(): Promise<boolean>
}

/** @param memory for what is read, only until it stands in the cursor: all cursors may share it */
async function openCursor(reader: Connection, runId: number, memory: CopyMemory): Promise<Cursor> {
  let after: Buffer | null = null
  let held = Buffer.alloc(0)
  const cursor: Cursor = {
    entries: Buffer.alloc(0),
    words: new Int32Array(0),
    at: 0,
    upper: 0,
    lower: 0,
    async refill() {
      const pages = await readPages(reader, runId, after, PAGES_A_READ, memory)
      const last = pages.at(-1)
      if (!last) return false
      after = Buffer.from(last.firstEntry)
      const bytes = pages.reduce((sum, { entries }) => sum + entries.length, 0)
      if (bytes > held.length) held = Buffer.allocUnsafeSlow(bytes)
      let used = 0
      for (const { entries } of pages) used += entries.copy(held, used)
      cursor.entries = held.subarray(0, used)
      cursor.words = wordsOf(cursor.entries)
      moveTo(cursor, 0)
      return true
    },
  }
  if (!(await cursor.refill())) throw new Error(`run ${runId} has no page`)
  return cursor
}

function moveTo(cursor: Cursor, at: number): void {
  cursor.at = at
  cursor.upper = cursor.entries.readUInt32BE(at)
  cursor.lower = cursor.entries.readUInt32BE(at + 4)
}

/** All entries of the cursors in order; each slice is valid until the next is asked for. */
async function* mergeSorted(cursors: Cursor[]): AsyncGenerator<Uint8Array> {
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
    if (used === words.length) {
      yield slice
      used = 0
    }
    const next = least.at + ENTRY_BYTES
    if (next < least.entries.length) moveTo(least, next)
    else if (!(await least.refill())) open.splice(open.indexOf(least), 1)
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
