import { HoldfastError } from '../core/errors.ts'
import { HASH_BYTES } from '../core/hash.ts'
import { MAX_PATH_LENGTH } from '../core/receipt.ts'
import { hashLevel, sharedKernel } from './kernel/kernel.ts'
import { GROUP_LEVELS, GROUP_NODES, MAX_LEAVES, TILE_LEVELS, TILE_NODES } from './tree.ts'

/** Which tile of a batch; see `Tile` in tree.ts. */
export type TileId = { level: number; index: number }

/** The tile that a path reads at one level: its node count, and the position of the path's node in it. */
type Step = TileId & { count: number; position: number }

/** The part of a level-0 tile that a path needs. */
export type TilePart = {
  /** The hashes of the path's group; all hashes of the tile when `groupRoots` is empty. */
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

/**
 * A tile with every level of its subtree, the tile's nodes first, its root last; n x 32 bytes each. A full tile takes 16 KB.
 * Paths through it need no hashing.
 */
export type HashedTile = { levels: readonly Buffer[] }

/**
 * Hashes a tile above the lowest level: 255 hashes for a full one.
 * @param groupRoots empty when the tile has one group, or was sealed before tiles kept group roots
 * @throws HoldfastError INTERNAL when its nodes and its group roots contradict each other
 */
export function hashTile(
  id: TileId,
  { nodes, groupRoots }: { nodes: Uint8Array; groupRoots: Uint8Array },
): HashedTile {
  const kernel = sharedKernel()
  kernel.nodes.set(nodes)
  const levels = [ownCopy(nodes)]
  for (let count = nodes.length / HASH_BYTES; count > 1; ) {
    count = hashLevel(kernel, 0, 0, count)
    levels.push(ownCopy(kernel.nodes.subarray(0, count * HASH_BYTES)))
  }
  if (groupRoots.length > 0 && !levels[GROUP_LEVELS]?.equals(groupRoots)) {
    throw contradiction(id, 'contradicts its group roots')
  }
  return { levels }
}

/** Copies outside Node's buffer pool: a long-lived slice would keep its whole pool block alive. */
function ownCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}

/**
 * A leaf's path to its batch's root. Costs about 100 hashes, 64 of them for leaves; without group roots about 770.
 * @param lowest part of the first of `tilesOfPath`; not kept
 * @param tileAt returns the other tiles of `tilesOfPath`, lowest first; the path's nodes may be views of its levels
 * @returns the leaf, its siblings lowest first, and the root; 32 bytes each
 * @throws HoldfastError INTERNAL when the batch has no such leaf, a tile's length is wrong, a tile contradicts the one
 *   below it or its group roots. The caller must compare `root` with the batch's root.
 */
export function pathFromTiles(
  leafIndex: number,
  leafCount: number,
  lowest: TilePart,
  tileAt: (id: TileId) => HashedTile,
): { leaf: Buffer; path: Buffer[]; root: Buffer } {
  const [first, ...above] = stepsOf(leafIndex, leafCount)
  const { node: leaf, path, root: lowestRoot } = climbLowest(lowest, first!)
  let root = lowestRoot
  for (const step of above) {
    const climbed = climbHashed(tileAt(step), step)
    if (!root.equals(climbed.node)) {
      throw contradiction(step, `contradicts the tile below it at node ${step.position}`)
    }
    path.push(...climbed.path)
    root = climbed.root
  }
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

/** Within the lowest tile: the leaf, its siblings, and the subtree's root. */
function climbLowest({ nodes, groupRoots }: TilePart, step: Step): Climbed {
  const { count, position } = step
  if (groupRoots.length === 0) {
    assertCount(step, 'nodes', nodes, count)
    return climb(nodes, position, 'hashes')
  }
  const group = Math.floor(position / GROUP_NODES)
  assertCount(step, 'nodes of the group', nodes, Math.min(GROUP_NODES, count - group * GROUP_NODES))
  assertCount(step, 'group roots', groupRoots, Math.ceil(count / GROUP_NODES))
  const lower = climb(nodes, position % GROUP_NODES, 'hashes')
  const upper = climb(groupRoots, group, 'nodes')
  if (!upper.node.equals(lower.root)) throw contradiction(step, `contradicts its group root ${group}`)
  return { node: lower.node, path: [...lower.path, ...upper.path], root: upper.root }
}

function climbHashed({ levels }: HashedTile, step: Step): Climbed {
  const nodeAt = (nodes: Buffer, at: number) => nodes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)
  const [bottom, root] = [levels[0]!, levels.at(-1)!]
  assertCount(step, 'nodes', bottom, step.count)
  const path: Buffer[] = []
  let at = step.position
  for (const nodes of levels) {
    const sibling = nodeAt(nodes, at ^ 1)
    // A lone last node and the root have no sibling.
    if (sibling.length > 0) path.push(sibling)
    at >>>= 1
  }
  return { node: nodeAt(bottom, step.position), path, root }
}

/** Climbs from the node at `position` of a whole level to its root. Record hashes are turned into leaves first. */
function climb(nodes: Uint8Array, position: number, what: 'hashes' | 'nodes'): Climbed {
  const kernel = sharedKernel()
  const nodeAt = (at: number) => Buffer.from(kernel.nodes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES))
  kernel.nodes.set(nodes)
  let count = nodes.length / HASH_BYTES
  if (what === 'hashes') kernel.hashLeaves(0, 0, count)
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
