import type { HashedTile } from '../merkle/path.ts'
import type { TileKey } from '../store/sealed/read-tiles.ts'

export type TileCache = {
  /** The tile of each of `keys`, where one exists; those not held are read in one go. */
  get(keys: readonly TileKey[]): Promise<TileAt>
}

/** undefined for a tile that does not exist, or that was not asked for. */
export type TileAt = (key: TileKey) => HashedTile | undefined

/**
 * Least recently used tiles by number, of sealed batches only: such a batch's tiles never change, so nothing is ever
 * stale. A tile is at most 16,352 bytes.
 */
export function createTileCache(
  read: (keys: readonly TileKey[]) => Promise<(HashedTile | undefined)[]>,
  maxTiles: number,
): TileCache {
  const held = new Map<string, HashedTile>()

  function take(name: string): HashedTile | undefined {
    const tile = held.get(name)
    if (tile === undefined) return undefined
    held.delete(name)
    held.set(name, tile)
    return tile
  }

  function put(name: string, tile: HashedTile): void {
    held.set(name, tile)
    for (const oldest of held.keys()) {
      if (held.size <= maxTiles) break
      held.delete(oldest)
    }
  }

  return {
    async get(keys) {
      const found = new Map<string, HashedTile>()
      const missing = new Map<string, TileKey>()
      for (const key of keys) {
        const name = nameOf(key)
        const tile = take(name)
        if (tile === undefined) missing.set(name, key)
        else found.set(name, tile)
      }
      if (missing.size > 0) {
        const fresh = await read([...missing.values()])
        ;[...missing.keys()].forEach((name, i) => {
          const tile = fresh[i]
          if (tile === undefined) return
          found.set(name, tile)
          put(name, tile)
        })
      }
      return (key) => found.get(nameOf(key))
    },
  }
}

function nameOf({ batchId, level, index }: TileKey): string {
  return `${batchId}/${level}/${index}`
}
