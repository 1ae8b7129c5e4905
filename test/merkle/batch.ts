import { createHash } from 'node:crypto'
import keccak256 from 'keccak256'
import { hashTile, pathFromTiles, type TilePart } from '../../src/merkle/path.ts'
import type { Tile } from '../../src/merkle/tree.ts'
import { createTreeBuilder } from '../../src/merkle/tree.ts'

/** n different record hashes, the same for the same seed. */
export function recordHashes(n: number, seed = 0): Buffer {
  const out = Buffer.alloc(n * 32)
  for (let i = 0; i < n; i++)
    createHash('sha256')
      .update(`${seed}:${i}`)
      .digest()
      .copy(out, i * 32)
  return out
}

/** Cuts n x 32 bytes into its n parts. */
export function nodesIn(bytes: Uint8Array): Buffer[] {
  return Array.from({ length: bytes.length / 32 }, (_, i) => Buffer.from(bytes.subarray(i * 32, i * 32 + 32)))
}

/** The leaf by the second implementation. */
export function referenceLeaf(hash: Buffer): Buffer {
  return keccak256(keccak256(hash))
}

/** Builds a batch, its chunks given by their lengths in hashes, the rest in one. */
export function buildBatch(hashes: Uint8Array, chunks: readonly number[] = []) {
  const tiles = new Map<string, Tile>()
  const builder = createTreeBuilder({
    onTile(tile) {
      const id = `${tile.level}/${tile.index}`
      if (tiles.has(id)) throw new Error(`tile ${id} came twice`)
      tiles.set(id, { ...tile, nodes: tile.nodes.slice() })
    },
  })
  let from = 0
  for (const chunk of chunks) {
    builder.push(hashes.subarray(from * 32, (from + chunk) * 32))
    from += chunk
  }
  builder.push(hashes.subarray(from * 32))
  const { root, leafCount } = builder.finish()
  const tileAt = (level: number, index: number): StoredTile => {
    const tile = tiles.get(`${level}/${index}`)
    if (tile === undefined) throw new Error(`no tile ${level}/${index}`)
    return tile
  }
  /**
   * By what is needed of each tile, as `change` leaves it.
   * @param store with group roots, or as one sealed before there were any
   */
  const pathOf = (
    leafIndex: number,
    change: Change = (_id, part) => part,
    store: 'groups' | 'whole' = 'groups',
  ) => {
    const partOf = (level: number, index: number) => {
      const tile =
        store === 'whole' ? { ...tileAt(level, index), groupRoots: new Uint8Array(0) } : tileAt(level, index)
      return change(`${level}/${index}`, level === 0 ? partOfTile(tile, leafIndex % 256) : tile)
    }
    const lowest = partOf(0, Math.floor(leafIndex / 256))
    return pathFromTiles(leafIndex, leafCount, lowest, (id) => hashTile(id, partOf(id.level, id.index)))
  }
  return { root, leafCount, tiles, pathOf }
}

type StoredTile = { nodes: Uint8Array; groupRoots: Uint8Array }
type Change = (id: string, part: StoredTile) => StoredTile

/** What a path that begins at `position` needs of a tile of record hashes. */
function partOfTile(tile: StoredTile, position: number): TilePart {
  if (tile.groupRoots.length === 0) return tile
  const from = (position - (position % 32)) * 32
  return { nodes: tile.nodes.subarray(from, from + 32 * 32), groupRoots: tile.groupRoots }
}
