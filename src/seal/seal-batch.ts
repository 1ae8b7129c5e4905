/**
 * In: pending chunks of `intake`. Out: one batch, in one transaction: its tiles, arrivals, leaf-index run and row
 * appear exactly when the chunks leave. Killed anywhere before COMMIT, nothing has happened and the next sealer
 * reads the same chunks; killed after, everything has.
 */
import { createTreeBuilder } from '../merkle/tree.ts'
import { createCopyMemory } from '../store/connection/copy-out.ts'
import type { Connection } from '../store/connection/database.ts'
import { enterLease, type Lease, requireLease } from '../store/connection/leases.ts'
import { ENTRY_BYTES } from '../store/index/leaf-index.ts'
import { addToRun, createRun, openPages } from '../store/index/leaf-runs.ts'
import { deleteChunks, readChunkHashes } from '../store/intake/intake.ts'
import type { PendingChunk } from '../store/intake/pending.ts'
import { copyArrivals, insertBatch, nextBatch, openTiles } from '../store/sealed/batches.ts'
import { createEntrySorter } from './index-entries.ts'
import { createPace, SLICE_BYTES } from './pace.ts'

export type Sealed = { batchId: number; leafCount: number; root: Buffer; chunks: readonly PendingChunk[] }

type SealBatchDeps = {
  /** Outside the transaction: chunks never change, and COPY occupies the writer. */
  reader: Connection
  /**
   * No transaction open. After an error discard it, which rolls back: it may be in the middle of a COPY, where it answers
   * to nothing else.
   */
  writer: Connection
  lease: Lease
  chunks: readonly PendingChunk[]
  /** Asked after each read of up to 65,536 leaves; true closes the batch there, and the other chunks stay in intake. */
  enough?: () => boolean
  /** Called after each step; a batch from which nothing comes for long is stuck. */
  onProgress?: () => void
  /** Awaited at named instants, for tests that kill or stop the process there. */
  faultPoint?: (name: string) => Promise<void> | void
}

/** Leaves whose hashes are read, and held, at a time. */
const READ_LEAVES = 1 << 16

/**
 * Seals the chunks into one batch, in their order.
 * @throws HoldfastError LEASE_LOST when the lease's epoch has passed; nothing was written then
 */
export async function sealBatch(deps: SealBatchDeps): Promise<Sealed> {
  const { writer, lease } = deps
  const onProgress = deps.onProgress ?? (() => {})
  await writer.query('begin')
  await enterLease(writer, lease)
  const { id, firstIndex } = await nextBatch(writer)

  const entries = createEntrySorter(deps.chunks.reduce((sum, chunk) => sum + chunk.leafCount, 0))
  const { root, leafCount, chunks } = await writeTiles(deps, id, entries.add, onProgress)
  await deps.faultPoint?.('seal-tiles-written')
  const runId = await createRun(writer, 0)
  const pages = openPages(writer, runId)
  const paced = createPace()
  for (const slice of entries.sorted(id, SLICE_BYTES / ENTRY_BYTES)) {
    await pages.append(slice)
    await paced(slice.length)
    onProgress()
  }
  await addToRun(writer, runId, await pages.finish())
  onProgress()

  await copyArrivals(writer, id, chunks)
  // Only now: while the lease's row is held, the lease cannot be renewed.
  await requireLease(writer, lease)
  const times = chunks.map((chunk) => chunk.receivedAtMs)
  await insertBatch(writer, {
    id,
    leafCount,
    root,
    firstReceivedAtMs: times.reduce((a, b) => Math.min(a, b)),
    lastReceivedAtMs: times.reduce((a, b) => Math.max(a, b)),
    firstIndex,
  })
  await deleteChunks(writer, chunks)
  onProgress()
  await deps.faultPoint?.('seal-before-commit')
  await writer.query('commit')
  await deps.faultPoint?.('seal-after-commit')
  return { batchId: id, leafCount, root, chunks }
}

/** Hashes and writes the chunks, at least the first group of them, until there are enough. */
async function writeTiles(
  { reader, writer, ...deps }: SealBatchDeps,
  batchId: number,
  onLeaves: (leaves: Uint8Array, firstLeaf: number) => void,
  onProgress: () => void,
): Promise<{ root: Buffer; leafCount: number; chunks: PendingChunk[] }> {
  const tiles = openTiles(writer)
  const builder = createTreeBuilder({
    onTile: ({ level, index, nodes, groupRoots }) =>
      tiles.row([
        { int4: batchId },
        { int2: level },
        { int4: index },
        { bytea: nodes },
        groupRoots.length === 0 ? null : { bytea: groupRoots },
      ]),
    onLeaves,
  })
  // The next group is on its way while this one is hashed.
  const groups = groupsOf(deps.chunks)
  const memories = [createCopyMemory(), createCopyMemory()]
  const read = (group: number) => {
    const reading = readChunkHashes(reader, groups[group]!, memories[group % 2]!)
    // Awaited in the next round; until then a failure must not count as unhandled.
    reading.catch(() => undefined)
    return reading
  }
  const done: PendingChunk[] = []
  let next: Promise<Buffer[]> | undefined = read(0)
  for (let i = 0; next !== undefined; i++) {
    const hashes: Buffer[] = await next
    const isLast = i + 1 === groups.length || (deps.enough?.() ?? false)
    next = isLast ? undefined : read(i + 1)
    for (const part of hashes) {
      builder.push(part)
      await tiles.ready()
    }
    done.push(...groups[i]!)
    onProgress()
  }
  const { root, leafCount } = builder.finish()
  await tiles.end()
  return { root, leafCount, chunks: done }
}

function groupsOf(chunks: readonly PendingChunk[]): PendingChunk[][] {
  const groups: PendingChunk[][] = []
  let leaves = Number.POSITIVE_INFINITY
  for (const chunk of chunks) {
    if (leaves + chunk.leafCount > READ_LEAVES) {
      groups.push([])
      leaves = 0
    }
    groups.at(-1)!.push(chunk)
    leaves += chunk.leafCount
  }
  return groups
}
