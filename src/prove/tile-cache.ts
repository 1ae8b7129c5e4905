import type { TileKey } from '../store/read-proofs.ts'

export type TileCache = {
  /** The tiles in the order of `keys`, undefined where none exists; those not held are read in one go. */
  get(keys: readonly TileKey[]): Promise<(Buffer | undefined)[]>
}

/** Least recently used tiles by number; a tile never changes and has at most 8,192 bytes, so nothing is ever stale. */
export function createTileCache(
  read: (keys: readonly TileKey[]) => Promise<(Buffer | undefined)[]>,
  maxTiles: number,
): TileCache {
  const held = new Map<string, Buffer>()

  return {
    async get(keys) {
      const names = keys.map(({ batchId, level, index }) => `${batchId}/${level}/${index}`)
      const tiles = names.map((name) => {
        const tile = held.get(name)
        if (tile) {
          held.delete(name)
          held.set(name, tile)
        }
        return tile
      })
      const missing = new Map<string, TileKey>()
      names.forEach((name, i) => {
        if (!tiles[i]) missing.set(name, keys[i]!)
      })
      if (missing.size === 0) return tiles
      const fresh = await read([...missing.values()])
      const byName = new Map([...missing.keys()].map((name, i) => [name, fresh[i]]))
      for (const [name, tile] of byName) if (tile) held.set(name, tile)
      for (const name of held.keys()) {
        if (held.size <= maxTiles) break
        held.delete(name)
      }
      return names.map((name, i) => tiles[i] ?? byName.get(name))
    },
  }
}
