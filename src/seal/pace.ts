import { ENTRY_BYTES, PAGE_ENTRIES } from '../store/index/leaf-index.ts'

/** Index entries are handed to the database this many bytes at a time, 500 KB. */
export const SLICE_BYTES = PAGE_ENTRIES * 128 * ENTRY_BYTES
const BYTES_A_MS = 100_000
/** Time that went by without writing counts for this long: sealing and merging share a thread, and keep each other waiting. */
const CREDIT_MS = 20

/** Resolves when more may be written. */
export type Pace = (bytesWritten: number) => Promise<void>

/**
 * At most 100 MB of index entries a second, for whoever awaits this after each slice. A commit of ingest waits until all
 * that stands in the database's log before it is on disk, and entries could be written tens of megabytes ahead of the disk.
 */
export function createPace(): Pace {
  let paidUntilMs = performance.now()
  return async (bytesWritten) => {
    paidUntilMs = Math.max(paidUntilMs, performance.now() - CREDIT_MS) + bytesWritten / BYTES_A_MS
    const aheadMs = paidUntilMs - performance.now()
    if (aheadMs >= 1) await new Promise((resolve) => setTimeout(resolve, aheadMs))
  }
}
