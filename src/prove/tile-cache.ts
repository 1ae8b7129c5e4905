import type { TileKey } from '../store/read-proofs.ts'

export type TileCache = {
  /** The tiles in the order of `keys`, undefined where none exists; those not held are read in one go. */
  get(keys: readonly TileKey[]): Promise<(Buffer | undefined)[]>
}

/**
 * Least recently used tiles by number, of sealed batches only: such a batch's tiles, and their absence, never change,
 * so nothing is ever stale. A tile has at most 8,192 bytes.
 */
export function createTileCache(
  read: (keys: readonly TileKey[]) => Promise<(Buffer | undefined)[]>,
  maxTiles: number,
): TileCache {
  /** null: the batch has no such tile. */
  const held = new Map<string, Buffer | null>()

  function take(name: string): Buffer | null | undefined {
    const tile = held.get(name)
    if (tile === undefined) return undefined
    held.delete(name)
    held.set(name, tile)
    return tile
  }

  return {
    async get(keys) {
      const names = keys.map(({ batchId, level, index }) => `${batchId}/${level}/${index}`)
      const found = new Map(names.map((name) => [name, take(name)]))
      const missing = new Map<string, TileKey>()
      names.forEach((name, i) => {
        if (found.get(name) === undefined) missing.set(name, keys[i]!)
      })
      if (missing.size > 0) {
        const fresh = await read([...missing.values()])
        ;[...missing.keys()].forEach((name, i) => {
          const tile = fresh[i] ?? null
          found.set(name, tile)
          held.set(name, tile)
        })
        for (const name of held.keys()) {
          if (held.size <= maxTiles) break
          held.delete(name)
        }
      }
      return names.map((name) => found.get(name) ?? undefined)
    },
  }
}
