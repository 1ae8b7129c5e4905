import type { TileKey, TileText } from '../store/read-proofs.ts'

export type TileCache = {
  /** The tiles in the order of `keys`, undefined where none exists; those not held are read in one go. */
  get(keys: readonly TileKey[]): Promise<(TileText | undefined)[]>
}

/**
 * Least recently used tiles by number, of sealed batches only: such a batch's tiles, and their absence, never change,
 * so nothing is ever stale. A tile is text of at most 16,384 characters.
 */
export function createTileCache(
  read: (keys: readonly TileKey[]) => Promise<(TileText | undefined)[]>,
  maxTiles: number,
): TileCache {
  /** null: the batch has no such tile. */
  const held = new Map<string, TileText | null>()

  function take(name: string): TileText | null | undefined {
    const tile = held.get(name)
    if (tile === undefined) return undefined
    held.delete(name)
    held.set(name, tile)
    return tile
  }

  function put(name: string, tile: TileText | null): void {
    held.set(name, tile)
    for (const oldest of held.keys()) {
      if (held.size <= maxTiles) break
      held.delete(oldest)
    }
  }

  return {
    async get(keys) {
      const names = keys.map(nameOf)
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
          put(name, tile)
        })
      }
      return names.map((name) => found.get(name) ?? undefined)
    },
  }
}

function nameOf({ batchId, level, index }: TileKey): string {
  return `${batchId}/${level}/${index}`
}
