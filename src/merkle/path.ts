import { HoldfastError } from '../core/errors.ts'
import { HASH_BYTES } from '../core/hash.ts'
import { MAX_PATH_LENGTH } from '../core/receipt.ts'
import { hashLevel, sharedKernel } from './kernel/kernel.ts'
import { GROUP_NODES, MAX_LEAVES, TILE_LEVELS, TILE_NODES } from './tree.ts'

/** Which tile of a batch; see `Tile` in tree.ts. */
export type TileId = { level: number; index: number }

/** The tile that a path reads at one level, and how: nodes in it, and the path's node among them. */
type Step = TileId & { count: number; position: number }

/** What a path needs of a tile. */
export type TilePart = {
  /** The nodes of the group that the path goes through, or all of the tile's where `groupRoots` is empty. */
  nodes: Uint8Array
  /** The tile's group roots; see `Tile` in tree.ts. */
  groupRoots: Uint8Array
}

/**
 * The tiles that a leaf's path reads, lowest first: one a level, at most four.
 * @throws HoldfastError INTERNAL when the batch has no such leaf
 */
export function tilesOfPath(leafIndex: number, leafCount: number): TileId[] {
  return stepsOf(leafIndex, leafCount).map(({ level, index }) => ({ level, index }))
}

/** What a path through the tile's node at `position` (0 to 255) needs of it, as views. */
export function partOfTile(tile: TilePart, position: number): TilePart {
  if (tile.groupRoots.length === 0) return tile
  const from = (position - (position % GROUP_NODES)) * HASH_BYTES
  return {
    nodes: tile.nodes.subarray(from, from + GROUP_NODES * HASH_BYTES),
    groupRoots: tile.groupRoots,
  }
}

/**
 * A leaf's path to its batch's root, recomputed from parts of tiles: about 100 hashes for the lowest and 38 a tile above;
 * without group roots about 770 and 255.
 * @param getPart returns what is needed of a tile for the path through its node at `position`; the bytes need not outlast
 *   the next call; asked for each of `tilesOfPath` once, lowest first
 * @returns the leaf, its siblings lowest first, and the root; 32 bytes each
 * @throws HoldfastError INTERNAL when the batch has no such leaf, a tile's length is wrong, a tile contradicts the one
 *   below it, or its group its group roots. The caller still has to compare `root` with the batch's.
 */
export function pathFromTiles(
  leafIndex: number,
  leafCount: number,
  getPart: (level: number, index: number, position: number) => TilePart,
): { leaf: Buffer; path: Buffer[]; root: Buffer } {
  const path: Buffer[] = []
  let leaf: Buffer | undefined
  let root: Buffer | undefined
  for (const step of stepsOf(leafIndex, leafCount)) {
    const climbed = climbTile(getPart(step.level, step.index, step.position), step)
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

type Climbed = { node: Buffer; path: Buffer[]; root: Buffer }

/** Within one tile: the path's node at the bottom (a leaf at level 0), its siblings, and the subtree's root. */
function climbTile({ nodes, groupRoots }: TilePart, step: Step): Climbed {
  const { level, count, position } = step
  if (groupRoots.length === 0) {
    assertCount(step, 'nodes', nodes, count)
    return climb(nodes, position, level === 0)
  }
  const group = Math.floor(position / GROUP_NODES)
  assertCount(step, 'nodes of the group', nodes, Math.min(GROUP_NODES, count - group * GROUP_NODES))
  assertCount(step, 'group roots', groupRoots, Math.ceil(count / GROUP_NODES))
  const lower = climb(nodes, position % GROUP_NODES, level === 0)
  const upper = climb(groupRoots, group, false)
  if (!upper.node.equals(lower.root)) throw contradiction(step, `contradicts its group root ${group}`)
  return { node: lower.node, path: [...lower.path, ...upper.path], root: upper.root }
}

/** From the node at `position` of a whole level to its root. `hashes`: they are record hashes, whose leaves are meant. */
function climb(nodes: Uint8Array, position: number, hashes: boolean): Climbed {
  const kernel = sharedKernel()
  const nodeAt = (at: number) => Buffer.from(kernel.nodes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES))
  kernel.nodes.set(nodes)
  let count = nodes.length / HASH_BYTES
  if (hashes) kernel.hashLeaves(0, 0, count)
  const node = nodeAt(position)
  const path: Buffer[] = []
  for (let at = position; count > 1; at >>>= 1) {
    const sibling = at % 2 === 0 ? at + 1 : at - 1
    // A lone last node has no sibling: it is promoted.
    if (sibling < count) path.push(nodeAt(sibling))
    count = hashLevel(kernel, 0, 0, count)
  }
  return { node, path, root: nodeAt(0) }
}

function assertCount(step: Step, what: string, nodes: Uint8Array, count: number): void {
  if (nodes.length === count * HASH_BYTES) return
  throw contradiction(step, `holds ${nodes.length} bytes of ${what} instead of ${count * HASH_BYTES}`)
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
