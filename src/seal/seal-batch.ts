/**
 * In: pending chunks of `intake`. Out: one batch, in one transaction: its tiles, arrivals, leaf-index run and row
 * appear exactly when the chunks leave. Killed anywhere before COMMIT, nothing has happened and the next sealer
 * reads the same chunks; killed after, everything has.
 */
import { createTreeBuilder } from '../merkle/tree.ts'
import { createCopyMemory } from '../store/connection/copy-out.ts'
import type { Connection } from '../store/connection/database.ts'
import { type Lease, requireLease } from '../store/connection/leases.ts'
import { ENTRY_BYTES } from '../store/index/leaf-index.ts'
import { openRun } from '../store/index/leaf-runs.ts'
import { deleteChunks, type PendingChunk, readChunkHashes } from '../store/intake/intake.ts'
import { copyArrivals, insertBatch, nextBatch, openTiles } from '../store/sealed/batches.ts'
import { createEntrySorter } from './index-entries.ts'
import { createPace, SLICE_BYTES } from './pace.ts'

export type Sealed = { batchId: number; leafCount: number; root: Buffer }

/** Leaves whose hashes are read, and held, at a time. */
const READ_LEAVES = 1 << 16

/**
 * Seals the chunks into one batch, in their order.
 * @param reader a connection outside the transaction: chunks never change, and COPY occupies the writer
 * @param writer a connection with no transaction open; after an error discard it, which rolls the transaction back:
 *   it may be in the middle of a COPY, where it answers to nothing else
 * @param faultPoint awaited at named instants, for tests that kill the process there
 * @throws HoldfastError LEASE_LOST when the lease's epoch has passed; nothing was written then
 */
export async function sealBatch(deps: {
  reader: Connection
  writer: Connection
  lease: Lease
  chunks: readonly PendingChunk[]
  faultPoint?: (name: string) => Promise<void> | void
}): Promise<Sealed> {
  const { reader, writer, lease, chunks } = deps
  const leafCount = chunks.reduce((sum, chunk) => sum + chunk.leafCount, 0)
  await writer.query('begin')
  await requireLease(writer, lease)
  const { id, firstIndex } = await nextBatch(writer)

  const entries = createEntrySorter(leafCount)
  const root = await writeTiles(reader, writer, id, chunks, entries.add)
  const run = await openRun(writer, 0)
  const paced = createPace()
  for (const slice of entries.sorted(id, SLICE_BYTES / ENTRY_BYTES)) {
    await run.append(slice)
    await paced(slice.length)
  }
  await run.finish()

  await copyArrivals(writer, id, chunks)
  const times = chunks.map((chunk) => chunk.receivedAtMs)
  await insertBatch(writer, {
    id,
    leafCount,
    root,
    firstReceivedAtMs: times.reduce((a, b) => Math.min(a, b)),
    lastReceivedAtMs: times.reduce((a, b) => Math.max(a, b)),
    firstIndex,
  })
  await deleteChunks(
    writer,
    chunks.map((chunk) => chunk.id),
  )
  await deps.faultPoint?.('seal-before-commit')
  await writer.query('commit')
  await deps.faultPoint?.('seal-after-commit')
  return { batchId: id, leafCount, root }
}

async function writeTiles(
  reader: Connection,
  writer: Connection,
  batchId: number,
  chunks: readonly PendingChunk[],
  onLeaves: (leaves: Uint8Array, firstLeaf: number) => void,
): Promise<Buffer> {
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
  const groups = groupsOf(chunks)
  const memories = [createCopyMemory(), createCopyMemory()]
  const read = (group: number) => readChunkHashes(reader, groups[group]!, memories[group % 2]!)
  let next = read(0)
  for (let i = 0; i < groups.length; i++) {
    const hashes = await next
    if (i + 1 < groups.length) {
      next = read(i + 1)
      // Awaited in the next round; until then a failure must not count as unhandled.
      next.catch(() => undefined)
    }
    for (const part of hashes) {
      builder.push(part)
      await tiles.ready()
    }
  }
  const { root } = builder.finish()
  await tiles.end()
  return root
}

function groupsOf(chunks: readonly PendingChunk[]): number[][] {
  const groups: number[][] = []
  let leaves = Number.POSITIVE_INFINITY
  for (const chunk of chunks) {
    if (leaves + chunk.leafCount > READ_LEAVES) {
      groups.push([])
      leaves = 0
    }
    groups.at(-1)!.push(chunk.id)
    leaves += chunk.leafCount
  }
  return groups
}
