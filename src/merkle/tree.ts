import { HoldfastError } from '../core/errors.ts'
import { HASH_BYTES } from '../core/hash.ts'
import type { Kernel } from './kernel/kernel.ts'
import { hashLevel, sharedKernel } from './kernel/kernel.ts'

/*
 * In: record hashes, in chunks of any size. Out: the tiles of tree `holdfast-keccak-v1`, then its root.
 * A tile is 256 neighbouring nodes. The root of its subtree is one node of the level eight higher.
 */

/** Nodes in a full tile. */
export const TILE_NODES = 256
/** Levels of the tree that a tile spans. */
export const TILE_LEVELS = 8
/** Nodes in a full group, and the levels that it spans. A tile of several groups keeps the root of each. */
export const GROUP_NODES = 32
export const GROUP_LEVELS = 5
/** A batch's leaf number is an unsigned 32-bit integer. */
export const MAX_LEAVES = 2 ** 32 - 1

/**
 * Up to 256 neighbouring nodes. Level 0 holds the record hashes (not the leaves), level 8k the tree's nodes of that
 * height. Only the last tile of a level may hold fewer than 256. A level above 0 exists if it has more than one node.
 */
export type Tile = {
  level: number
  /** The tile's first node is number index x 256 of its level. */
  index: number
  /** 1 to 256 x 32 bytes, valid only during the call. */
  nodes: Uint8Array
  /**
   * The roots of the tile's groups of 32 neighbouring nodes, 2 to 8 x 32 bytes, for the receiver to keep. Empty when all
   * nodes are one group. With them a path needs only 32 of the tile's nodes.
   */
  groupRoots: Uint8Array
}

export type TreeBuilderOptions = {
  /** Called for every tile, each once: in order within a level, before push or finish returns. */
  onTile(tile: Tile): void
  /**
   * Called with n x 32 bytes of leaves, in order. `firstIndex` is the first one's number. `leaves` is valid only during
   * the call.
   */
  onLeaves?(leaves: Uint8Array, firstIndex: number): void
  /** By default this thread's shared kernel. */
  kernel?: Kernel
}

export type TreeBuilder = {
  /**
   * Appends record hashes in order. `hashes` may be reused afterwards. Keep chunks moderate (10^5 hashes are 3 MB) and
   * wait between them for the consumer of onTile, if it can be slow.
   * @param hashes n x 32 bytes, n ≥ 0
   * @throws HoldfastError INVALID_HASH when the length is not a multiple of 32 (nothing is appended),
   *   TOO_MANY_ITEMS past 2^32 - 1 leaves
   */
  push(hashes: Uint8Array): void
  /**
   * Emits the remaining tiles. Call it once, last.
   * @returns the root, 32 bytes
   * @throws HoldfastError EMPTY when nothing was pushed
   */
  finish(): { root: Buffer; leafCount: number }
}

/** Full tiles are hashed this many at a time. */
const WINDOW_TILES = 16
const WINDOW_NODES = WINDOW_TILES * TILE_NODES
const TILE_BYTES = TILE_NODES * HASH_BYTES

/**
 * Builds one batch's tree in bounded memory: a window of 128 KB of hashes, one as large for leaves when they are
 * asked for, and one tile a level, whatever the number of leaves.
 *
 * Any number of builders may take turns on one kernel: between calls, and during callbacks, a builder keeps nothing
 * in the kernel's memory. A builder whose callback threw must not be used again.
 */
export function createTreeBuilder(options: TreeBuilderOptions): TreeBuilder {
  const kernel = options.kernel ?? sharedKernel()
  const upper = createUpperLevels(kernel, options.onTile)
  const window = new Uint8Array(WINDOW_NODES * HASH_BYTES)
  const leaves = options.onLeaves && new Uint8Array(WINDOW_NODES * HASH_BYTES)
  let filled = 0
  let hashed = 0
  let finished = false

  /** Hashes the window: whole tiles, and at the very end a partial one. */
  function flushWindow(): void {
    const [first, count] = [hashed, filled]
    const hashes = window.subarray(0, count * HASH_BYTES)
    kernel.nodes.set(hashes)
    kernel.hashLeaves(0, 0, count)
    leaves?.set(kernel.nodes.subarray(0, hashes.length))
    const { groupRoots, roots } = hashTiles(kernel, count)
    hashed += count
    filled = 0
    emitLowestTiles(options.onTile, hashes, first, groupRoots)
    if (leaves !== undefined) options.onLeaves?.(leaves.subarray(0, hashes.length), first)
    for (let at = 0; at < roots.length; at += HASH_BYTES) upper.add(roots.subarray(at, at + HASH_BYTES))
  }

  function push(hashes: Uint8Array): void {
    assertOpen()
    if (hashes.length % HASH_BYTES !== 0) {
      throw new HoldfastError('INVALID_HASH', `Expected n x 32 bytes of hashes, got ${hashes.length} bytes.`)
    }
    if (hashed + filled + hashes.length / HASH_BYTES > MAX_LEAVES) {
      throw new HoldfastError('TOO_MANY_ITEMS', `A batch holds at most ${MAX_LEAVES} hashes.`)
    }
    for (let from = 0; from < hashes.length; ) {
      const taken = hashes.subarray(from, from + (WINDOW_NODES - filled) * HASH_BYTES)
      window.set(taken, filled * HASH_BYTES)
      filled += taken.length / HASH_BYTES
      from += taken.length
      if (filled === WINDOW_NODES) flushWindow()
    }
  }

  function finish(): { root: Buffer; leafCount: number } {
    assertOpen()
    if (hashed + filled === 0) throw new HoldfastError('EMPTY', 'A tree needs at least one hash.')
    finished = true
    if (filled > 0) flushWindow()
    return { root: upper.close(), leafCount: hashed }
  }

  function assertOpen(): void {
    if (finished) throw new HoldfastError('INTERNAL', 'The tree is finished; start a new builder.')
  }

  return { push, finish }
}

function emitLowestTiles(
  onTile: TreeBuilderOptions['onTile'],
  hashes: Uint8Array,
  firstIndex: number,
  groupRoots: Uint8Array,
): void {
  const count = hashes.length / HASH_BYTES
  for (let from = 0; from < count; from += TILE_NODES) {
    const to = Math.min(from + TILE_NODES, count)
    onTile({
      level: 0,
      index: (firstIndex + from) / TILE_NODES,
      nodes: hashes.subarray(from * HASH_BYTES, to * HASH_BYTES),
      groupRoots: groupRootsOf(groupRoots, from, to),
    })
  }
}

/** The growing last tile of a level above 0. */
type Edge = { level: number; nodes: Uint8Array; count: number; index: number }

/** The levels above 0: the roots of level 0's tiles flow in, the tiles above and at last the tree's root flow out. */
function createUpperLevels(kernel: Kernel, onTile: TreeBuilderOptions['onTile']) {
  const edges: Edge[] = []

  /** Appends a node to the edge `height` tiles up. A tile that becomes full is emitted, and its root climbs on. */
  function add(node: Uint8Array, height = 0): void {
    const edge = edgeAt(height)
    edge.nodes.set(node, edge.count * HASH_BYTES)
    edge.count += 1
    if (edge.count === TILE_NODES) add(closeTile(edge), height + 1)
  }

  function edgeAt(height: number): Edge {
    let edge = edges[height]
    if (edge === undefined) {
      edge = { level: (height + 1) * TILE_LEVELS, nodes: new Uint8Array(TILE_BYTES), count: 0, index: 0 }
      edges.push(edge)
    }
    return edge
  }

  /** Emits the edge's tile and starts the next one. Returns the tile's root. */
  function closeTile(edge: Edge): Uint8Array {
    const { level, index } = edge
    const nodes = edge.nodes.subarray(0, edge.count * HASH_BYTES)
    kernel.nodes.set(nodes)
    const { groupRoots, roots } = hashTiles(kernel, edge.count)
    onTile({ level, index, nodes, groupRoots: groupRootsOf(groupRoots, 0, edge.count) })
    edge.count = 0
    edge.index += 1
    return roots
  }

  /** From the lowest level up, closes each level's last tile until a level has a single node, the root. */
  function close(): Buffer {
    for (let height = 0; ; height++) {
      const edge = edgeAt(height)
      if (edge.index === 0 && edge.count === 1) return Buffer.from(edge.nodes.subarray(0, HASH_BYTES))
      if (edge.count > 0) add(closeTile(edge), height + 1)
    }
  }

  return { add, close }
}

/**
 * The roots of the groups and of the tiles over the `count` nodes at the kernel's start. Tiles but the last are full, so
 * levels of several tiles halve evenly, and each tile becomes one node.
 */
function hashTiles(kernel: Kernel, count: number): { groupRoots: Uint8Array; roots: Uint8Array } {
  const climb = (levels: number, from: number): number => {
    let nodes = from
    for (let level = 0; level < levels; level++) nodes = hashLevel(kernel, 0, 0, nodes)
    return nodes
  }
  const groups = climb(GROUP_LEVELS, count)
  const groupRoots = kernel.nodes.slice(0, groups * HASH_BYTES)
  const tiles = climb(TILE_LEVELS - GROUP_LEVELS, groups)
  return { groupRoots, roots: kernel.nodes.slice(0, tiles * HASH_BYTES) }
}

/** The group roots of the tile with nodes `from` to `to`, out of those of all tiles hashed together. */
function groupRootsOf(all: Uint8Array, from: number, to: number): Uint8Array {
  if (to - from <= GROUP_NODES) return new Uint8Array(0)
  return all.subarray((from / GROUP_NODES) * HASH_BYTES, Math.ceil(to / GROUP_NODES) * HASH_BYTES)
}
