import { describe, expect, it } from 'vitest'
import { createTileCache } from '../../src/prove/tile-cache.ts'
import type { TileKey } from '../../src/store/read-proofs.ts'

const key = (index: number, level = 0): TileKey => ({ batchId: 1, level, index })

/** A cache over tiles 0 to 9 of level 0, and everything it asked for. */
function cacheOf(maxTiles: number) {
  const asked: TileKey[][] = []
  const cache = createTileCache(async (keys) => {
    asked.push([...keys])
    return keys.map(({ level, index }) => (level === 0 && index < 10 ? String(index) : undefined))
  }, maxTiles)
  return { cache, asked }
}

describe('the tile cache', () => {
  it('gives tiles in the order of the keys, the same one twice where it is asked for twice', async () => {
    const { cache, asked } = cacheOf(10)
    expect(await cache.get([key(3), key(1), key(3)])).toEqual(['3', '1', '3'])
    expect(asked).toEqual([[key(3), key(1)]])
  })

  it('asks only for what it does not hold', async () => {
    const { cache, asked } = cacheOf(10)
    await cache.get([key(1), key(2)])
    await cache.get([key(2), key(3)])
    await cache.get([key(1), key(3)])
    expect(asked).toEqual([[key(1), key(2)], [key(3)]])
  })

  it('remembers that a batch has no such tile', async () => {
    const { cache, asked } = cacheOf(10)
    expect(await cache.get([key(0, 24)])).toEqual([undefined])
    expect(await cache.get([key(0, 24)])).toEqual([undefined])
    expect(asked).toEqual([[key(0, 24)]])
  })

  it('drops those that were not used for longest', async () => {
    const { cache, asked } = cacheOf(2)
    await cache.get([key(1)])
    await cache.get([key(2)])
    await cache.get([key(1)])
    await cache.get([key(3)])
    await cache.get([key(1)])
    await cache.get([key(2)])
    expect(asked).toEqual([[key(1)], [key(2)], [key(3)], [key(2)]])
  })

  it('answers for more tiles than it holds', async () => {
    const { cache } = cacheOf(2)
    const keys = Array.from({ length: 10 }, (_, index) => key(index))
    expect(await cache.get(keys)).toEqual(keys.map(({ index }) => String(index)))
  })
})
