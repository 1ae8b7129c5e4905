import { ENTRY_BYTES, PAGE_ENTRIES } from '../store/leaf-index.ts'

/** Index entries are handed to the database this many bytes at a time, 500 KB. */
export const SLICE_BYTES = PAGE_ENTRIES * 256 * ENTRY_BYTES
const BREATH_MS = 3

/**
 * Taken after each slice. A commit of ingest waits until all that stands in the database's log before it is on disk, and
 * entries could be written many megabytes ahead: with a breath between slices it finds at most about one of them.
 */
export function breath(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, BREATH_MS))
}
