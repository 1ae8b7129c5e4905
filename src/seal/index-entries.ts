import { ENTRY_BYTES } from '../store/index/leaf-index.ts'

export type EntrySorter = {
  /** Takes n x 32-byte leaves that stand at `firstLeaf` and after in the batch. */
  add(leaves: Uint8Array, firstLeaf: number): void
  /** The entries (key, batch, leaf number) sorted bytewise, in slices of up to `sliceEntries`; each is valid until the next. */
  sorted(batchId: number, sliceEntries: number): Iterable<Uint8Array>
}

const LEAF_BYTES = 32
const DIGIT_BITS = 11
const DIGITS = 1 << DIGIT_BITS

/**
 * Collects the leaf-index keys of one batch in typed arrays and sorts them: least-significant-digit radix over the
 * key's upper 32 bits, then the few neighbours that share those by the lower 32. The radix is stable, so equal keys
 * stay in leaf order. About 16 bytes of memory a leaf.
 */
export function createEntrySorter(capacity: number): EntrySorter {
  const upper = new Uint32Array(capacity)
  const lower = new Uint32Array(capacity)
  let count = 0

  return {
    add(leaves, firstLeaf) {
      if (firstLeaf !== count) throw new Error(`leaf ${firstLeaf} came after ${count} leaves`)
      const view = new DataView(leaves.buffer, leaves.byteOffset, leaves.length)
      for (let at = 0; at < leaves.length; at += LEAF_BYTES) {
        upper[count] = view.getUint32(at)
        lower[count] = view.getUint32(at + 4)
        count++
      }
    },

    *sorted(batchId, sliceEntries) {
      const order = sortTies(radixSort(upper.subarray(0, count)), upper, lower)
      const slice = new Uint8Array(Math.min(sliceEntries, Math.max(count, 1)) * ENTRY_BYTES)
      const view = new DataView(slice.buffer)
      let used = 0
      for (let rank = 0; rank < count; rank++) {
        const leaf = order[rank]!
        view.setUint32(used, upper[leaf]!)
        view.setUint32(used + 4, lower[leaf]!)
        view.setUint32(used + 8, batchId)
        view.setUint32(used + 12, leaf)
        used += ENTRY_BYTES
        if (used === slice.length) {
          yield slice
          used = 0
        }
      }
      if (used > 0) yield slice.subarray(0, used)
    },
  }
}

/** Positions of `keys` in ascending order of key; equal keys keep their order. */
function radixSort(keys: Uint32Array): Uint32Array {
  const n = keys.length
  let from = new Uint32Array(n)
  let to = new Uint32Array(n)
  for (let i = 0; i < n; i++) from[i] = i
  const starts = new Uint32Array(DIGITS)
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    starts.fill(0)
    for (let i = 0; i < n; i++) starts[(keys[i]! >>> shift) & (DIGITS - 1)]!++
    let sum = 0
    for (let digit = 0; digit < DIGITS; digit++) {
      const size = starts[digit]!
      starts[digit] = sum
      sum += size
    }
    for (let i = 0; i < n; i++) {
      const position = from[i]!
      const digit = (keys[position]! >>> shift) & (DIGITS - 1)
      to[starts[digit]!++] = position
    }
    ;[from, to] = [to, from]
  }
  return from
}

/** Orders each stretch of equal upper halves by (lower half, position). */
function sortTies(order: Uint32Array, upper: Uint32Array, lower: Uint32Array): Uint32Array {
  for (let start = 0; start < order.length; ) {
    let end = start + 1
    while (end < order.length && upper[order[end]!] === upper[order[start]!]) end++
    if (end - start > 1) order.subarray(start, end).sort((a, b) => lower[a]! - lower[b]! || a - b)
    start = end
  }
  return order
}
