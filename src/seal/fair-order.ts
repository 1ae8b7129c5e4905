import type { PendingChunk } from '../store/intake/pending.ts'

export type FairOrder = {
  /** The chunks in the order in which they are due. Chunks of one source stay in their order. Changes nothing. */
  order(chunks: readonly PendingChunk[]): PendingChunk[]
  /** Notes what was sealed, in the order in which it was due. */
  charge(sealed: readonly PendingChunk[]): void
}

/** As few leaves as this are sealed in one read: any order is fair. */
const QUIET_LEAVES = 65_536

/**
 * Start-time fair queueing (Goyal, Vin, Cheng 1996) of chunks by source, with leaves as cost. A chunk's start is where
 * its source's last chunk ended, or the present where the source was idle; the least start is due first. A source that
 * pushes little is therefore next, however long the backlog of another, and sources with a backlog share evenly. While
 * little waits, the order is that of arrival.
 */
export function createFairOrder(): FairOrder {
  /** Where each source's sealed leaves end, for sources that are ahead of the present. */
  const ends = new Map<number, number>()
  let present = 0

  function startsOf(chunks: readonly PendingChunk[]): Map<PendingChunk, number> {
    const next = new Map<number, number>()
    const starts = new Map<PendingChunk, number>()
    for (const chunk of chunks) {
      const start = next.get(chunk.sourceId) ?? Math.max(present, ends.get(chunk.sourceId) ?? 0)
      starts.set(chunk, start)
      next.set(chunk.sourceId, start + chunk.leafCount)
    }
    return starts
  }

  return {
    order(chunks) {
      const arrived = chunks.toSorted((a, b) => a.id - b.id)
      const leaves = arrived.reduce((sum, chunk) => sum + chunk.leafCount, 0)
      if (leaves <= QUIET_LEAVES) return arrived
      const starts = startsOf(arrived)
      return arrived.sort((a, b) => starts.get(a)! - starts.get(b)! || a.id - b.id)
    },
    charge(sealed) {
      for (const [{ sourceId, leafCount }, start] of startsOf(sealed)) {
        ends.set(sourceId, start + leafCount)
        present = Math.max(present, start)
      }
      for (const [sourceId, end] of ends) if (end <= present) ends.delete(sourceId)
    },
  }
}
