import { HoldfastError } from '../core/errors.ts'
import { HASH_BYTES } from '../core/hash.ts'
import { hashLevel, KERNEL_CAPACITY, sharedKernel } from './kernel/kernel.ts'

export type AnchorTree = {
  /** 32 bytes. For a single batch, its root. */
  root: Buffer
  /**
   * Siblings of 32 bytes from batch root number `index` up to the root, lowest first. Empty for a single batch.
   * @throws HoldfastError INTERNAL when there is no such batch root
   */
  pathOf(index: number): Buffer[]
}

/**
 * The tree over the batch roots of one anchor, in batch order; batch roots are its lowest nodes, not hashed again. Holds
 * 64 bytes a batch in memory.
 * @param roots n x 32 bytes, n ≥ 1; not kept
 * @throws HoldfastError EMPTY for no roots, INVALID_HASH for a length that is not a multiple of 32
 */
export function anchorTree(roots: Uint8Array): AnchorTree {
  if (roots.length % HASH_BYTES !== 0) {
    throw new HoldfastError('INVALID_HASH', `Expected n x 32 bytes of roots, got ${roots.length} bytes.`)
  }
  if (roots.length === 0) throw new HoldfastError('EMPTY', 'An anchor needs at least one batch root.')
  const levels = [Buffer.from(roots)]
  let top = Buffer.from(roots)
  while (top.length > HASH_BYTES) {
    top = levelAbove(top)
    levels.push(top)
  }
  return { root: Buffer.from(top), pathOf: (index) => pathIn(levels, index) }
}

/** Hashes a level in parts that fit the kernel's memory. Parts but the last have an even number of nodes. */
function levelAbove(nodes: Buffer): Buffer<ArrayBuffer> {
  const kernel = sharedKernel()
  const count = nodes.length / HASH_BYTES
  const parents = Buffer.alloc(Math.ceil(count / 2) * HASH_BYTES)
  for (let from = 0; from < count; from += KERNEL_CAPACITY) {
    const part = nodes.subarray(from * HASH_BYTES, (from + KERNEL_CAPACITY) * HASH_BYTES)
    kernel.nodes.set(part)
    const hashed = hashLevel(kernel, 0, 0, part.length / HASH_BYTES)
    parents.set(kernel.nodes.subarray(0, hashed * HASH_BYTES), (from / 2) * HASH_BYTES)
  }
  return parents
}

function pathIn(levels: Buffer[], index: number): Buffer[] {
  const count = (levels[0]?.length ?? 0) / HASH_BYTES
  if (!Number.isInteger(index) || index < 0 || index >= count) {
    throw new HoldfastError('INTERNAL', `An anchor of ${count} batches has no batch ${index}.`)
  }
  const path: Buffer[] = []
  let position = index
  for (const level of levels) {
    const sibling = (position % 2 === 0 ? position + 1 : position - 1) * HASH_BYTES
    // A lone last node has no sibling: it is promoted.
    if (sibling < level.length) path.push(Buffer.from(level.subarray(sibling, sibling + HASH_BYTES)))
    position = Math.floor(position / 2)
  }
  return path
}
