import { createHash } from 'node:crypto'
import keccak256 from 'keccak256'
import { partOfTile, type TilePart } from '../../src/merkle/path.ts'
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
  /** As a store gives it that keeps group roots. */
  const getPart = (level: number, index: number, position: number): TilePart => {
    const tile = tiles.get(`${level}/${index}`)
    if (tile === undefined) throw new Error(`no tile ${level}/${index}`)
    return partOfTile(tile, position)
  }
  /** As one gives it that does not. */
  const getWhole = (level: number, index: number): TilePart => {
    return { nodes: tiles.get(`${level}/${index}`)!.nodes, groupRoots: new Uint8Array(0) }
  }
  return { root, leafCount, tiles, getPart, getWhole }
}
