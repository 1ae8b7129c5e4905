import { HoldfastError } from '../core/errors.ts'
import { HASH_BYTES } from '../core/hash.ts'
import { MAX_PATH_LENGTH } from '../core/receipt.ts'
import { hashLevel, sharedKernel } from './kernel/kernel.ts'
import { MAX_LEAVES, TILE_LEVELS, TILE_NODES } from './tree.ts'

/** Which tile of a batch; see `Tile` in tree.ts. */
export type TileId = { level: number; index: number }

/** The tile that a path reads at one level, and how: nodes in it, and the path's node among them. */
type Step = TileId & { count: number; position: number }

/**
 * The tiles that a leaf's path reads, lowest first: one a level, at most four.
 * @throws HoldfastError INTERNAL when the batch has no such leaf
 */
export function tilesOfPath(leafIndex: number, leafCount: number): TileId[] {
  return stepsOf(leafIndex, leafCount).map(({ level, index }) => ({ level, index }))
}

/**
 * A leaf's path to its batch's root, recomputed from tiles: about 770 hashes for the lowest and 255 a tile above.
 * @param getTile returns the bytes of a tile, which need not outlast the next call; asked for each of `tilesOfPath` once,
 *   lowest first
 * @returns the leaf, its siblings lowest first, and the root; 32 bytes each
 * @throws HoldfastError INTERNAL when the batch has no such leaf, a tile's length is wrong, or a tile contradicts the
 *   one below it. The caller still has to compare `root` with the batch's.
 */
export function pathFromTiles(
  leafIndex: number,
  leafCount: number,
  getTile: (level: number, index: number) => Uint8Array,
): { leaf: Buffer; path: Buffer[]; root: Buffer } {
  const path: Buffer[] = []
  let leaf: Buffer | undefined
  let root: Buffer | undefined
  for (const step of stepsOf(leafIndex, leafCount)) {
    const tile = getTile(step.level, step.index)
    if (tile.length !== step.count * HASH_BYTES) {
      throw contradiction(step, `holds ${tile.length} bytes instead of ${step.count * HASH_BYTES}`)
    }
    const climbed = climbTile(tile, step)
    if (root !== undefined && !root.equals(climbed.node)) {
      throw contradiction(step, `contradicts the tile below it at node ${step.position}`)
    }
    leaf ??= climbed.node
    path.push(...climbed.path)
    root = climbed.root
  }
  if (leaf === undefined || root === undefined) throw noSuchLeaf(leafIndex, leafCount)
  return { leaf, path, root }
}

/**
 * The root that a path leads to.
 * @param leaf 32 bytes
 * @param path siblings of 32 bytes, lowest first
 * @throws HoldfastError INVALID_RECEIPT when the path is longer than 64, INVALID_HASH when a node is not 32 bytes
 */
export function foldPath(leaf: Uint8Array, path: readonly Uint8Array[]): Buffer {
  if (path.length > MAX_PATH_LENGTH) {
    throw new HoldfastError(
      'INVALID_RECEIPT',
      `A path has at most ${MAX_PATH_LENGTH} nodes, got ${path.length}.`,
    )
  }
  assertNode(leaf)
  const kernel = sharedKernel()
  kernel.nodes.set(leaf)
  for (const sibling of path) {
    assertNode(sibling)
    kernel.nodes.set(sibling, HASH_BYTES)
    kernel.hashPairs(0, 0, 1)
  }
  return Buffer.from(kernel.nodes.subarray(0, HASH_BYTES))
}

/**
 * keccak256(keccak256(hash)), 32 bytes: OpenZeppelin's standard leaf for `["bytes32"]`.
 * @throws HoldfastError INVALID_HASH when `hash` is not 32 bytes
 */
export function leafOf(hash: Uint8Array): Buffer {
  assertNode(hash)
  const kernel = sharedKernel()
  kernel.nodes.set(hash)
  kernel.hashLeaves(0, 0, 1)
  return Buffer.from(kernel.nodes.subarray(0, HASH_BYTES))
}

function stepsOf(leafIndex: number, leafCount: number): Step[] {
  const exists =
    Number.isInteger(leafIndex) &&
    Number.isInteger(leafCount) &&
    leafIndex >= 0 &&
    leafIndex < leafCount &&
    leafCount <= MAX_LEAVES
  if (!exists) throw noSuchLeaf(leafIndex, leafCount)
  const steps: Step[] = []
  let node = leafIndex
  let nodes = leafCount
  for (let level = 0; level === 0 || nodes > 1; level += TILE_LEVELS) {
    const index = Math.floor(node / TILE_NODES)
    const count = Math.min(TILE_NODES, nodes - index * TILE_NODES)
    steps.push({ level, index, count, position: node % TILE_NODES })
    node = index
    nodes = Math.ceil(nodes / TILE_NODES)
  }
  return steps
}

/** Within one tile: the path's node at the bottom (a leaf at level 0), its siblings, and the subtree's root. */
function climbTile(tile: Uint8Array, step: Step): { node: Buffer; path: Buffer[]; root: Buffer } {
  const kernel = sharedKernel()
  const nodeAt = (position: number) =>
    Buffer.from(kernel.nodes.subarray(position * HASH_BYTES, (position + 1) * HASH_BYTES))
  kernel.nodes.set(tile)
  if (step.level === 0) kernel.hashLeaves(0, 0, step.count)
  let { count, position } = step
  const node = nodeAt(position)
  const path: Buffer[] = []
  while (count > 1) {
    const sibling = position % 2 === 0 ? position + 1 : position - 1
    // A lone last node has no sibling: it is promoted.
    if (sibling < count) path.push(nodeAt(sibling))
    count = hashLevel(kernel, 0, 0, count)
    position >>>= 1
  }
  return { node, path, root: nodeAt(0) }
}

function assertNode(bytes: Uint8Array): void {
  if (bytes.length !== HASH_BYTES) {
    throw new HoldfastError('INVALID_HASH', `Expected ${HASH_BYTES} bytes, got ${bytes.length}.`)
  }
}

function noSuchLeaf(leafIndex: number, leafCount: number): HoldfastError {
  return new HoldfastError('INTERNAL', `A batch of ${leafCount} leaves has no leaf ${leafIndex}.`)
}

function contradiction({ level, index }: TileId, what: string): HoldfastError {
  return new HoldfastError('INTERNAL', `Tile ${level}/${index} ${what}.`)
}
