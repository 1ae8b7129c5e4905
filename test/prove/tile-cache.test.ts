import { describe, expect, it } from 'vitest'
import { createTileCache } from '../../src/prove/tile-cache.ts'
import type { TileKey } from '../../src/store/sealed/read-tiles.ts'

const key = (index: number, level = 0): TileKey => ({ batchId: 1, level, index })

const tile = (index: number) => ({ levels: [Buffer.from([index])] })

/** A cache over tiles 0 to 9 of level 0, and everything it asked for. */
function cacheOf(maxTiles: number) {
  const asked: TileKey[][] = []
  const cache = createTileCache(async (keys) => {
    asked.push([...keys])
    return keys.map(({ level, index }) => (level === 0 && index < 10 ? tile(index) : undefined))
  }, maxTiles)
  return { cache, asked }
}

describe('the tile cache', () => {
  it('gives each tile that it was asked for, reading none of them twice', async () => {
    const { cache, asked } = cacheOf(10)
    const tileAt = await cache.get([key(3), key(1), key(3)])
    expect([3, 1].map((index) => tileAt(key(index)))).toEqual([tile(3), tile(1)])
    expect(tileAt(key(2))).toBeUndefined()
    expect(asked).toEqual([[key(3), key(1)]])
  })

  it('asks only for what it does not hold', async () => {
    const { cache, asked } = cacheOf(10)
    await cache.get([key(1), key(2)])
    await cache.get([key(2), key(3)])
    await cache.get([key(1), key(3)])
    expect(asked).toEqual([[key(1), key(2)], [key(3)]])
  })

  it('asks again for a tile that was not there', async () => {
    const { cache, asked } = cacheOf(10)
    for (let time = 0; time < 2; time++) expect((await cache.get([key(0, 24)]))(key(0, 24))).toBeUndefined()
    expect(asked).toEqual([[key(0, 24)], [key(0, 24)]])
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
    const tileAt = await cache.get(keys)
    expect(keys.map(tileAt)).toEqual(keys.map(({ index }) => tile(index)))
  })
})
