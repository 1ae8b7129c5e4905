import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createFairOrder } from '../../src/seal/fair-order.ts'
import type { PendingChunk } from '../../src/store/intake/pending.ts'

const chunk = (id: number, sourceId: number, leafCount: number): PendingChunk => ({
  id,
  sourceId,
  leafCount,
  receivedAtMs: id,
  ageMs: 0,
  slot: 0,
})
const LARGEST = 65_536
/** More than is sealed in any order. */
const backlog = (sourceId: number, firstId: number, chunks: number) =>
  Array.from({ length: chunks }, (_, i) => chunk(firstId + i, sourceId, LARGEST))

const arrivals = fc.array(
  fc.record({ sourceId: fc.integer({ min: 1, max: 5 }), leafCount: fc.integer({ min: 1, max: LARGEST }) }),
  { minLength: 1, maxLength: 60 },
)
const chunksOf = (list: { sourceId: number; leafCount: number }[]) =>
  list.map(({ sourceId, leafCount }, i) => chunk(i + 1, sourceId, leafCount))

it('chunks of one source keep their order, and none is lost', () => {
  fc.assert(
    fc.property(arrivals, (list) => {
      const chunks = chunksOf(list)
      const ordered = createFairOrder().order(chunks)
      expect(ordered.toSorted((a, b) => a.id - b.id)).toEqual(chunks)
      for (const source of [1, 2, 3, 4, 5]) {
        const ids = ordered.filter(({ sourceId }) => sourceId === source).map(({ id }) => id)
        expect(ids).toEqual(ids.toSorted((a, b) => a - b))
      }
    }),
  )
})

it('of two sources that both wait, neither gets more than two chunks’ leaves ahead, over any cut into batches', () => {
  fc.assert(
    fc.property(arrivals, fc.integer({ min: 1, max: 9 }), (list, batchChunks) => {
      const fair = createFairOrder()
      // A backlog each, so that all wait until the shortest is done.
      let waiting = [...chunksOf(list), ...[1, 2, 3, 4, 5].flatMap((s) => backlog(s, 1_000 * s, 20))]
      const served = new Map([1, 2, 3, 4, 5].map((source) => [source, 0]))
      const sealed = () => {
        const batch = fair.order(waiting).slice(0, batchChunks)
        fair.charge(batch)
        waiting = waiting.filter((each) => !batch.includes(each))
        for (const { sourceId, leafCount } of batch) served.set(sourceId, served.get(sourceId)! + leafCount)
      }
      const allWait = () => new Set(waiting.map(({ sourceId }) => sourceId)).size === 5
      for (sealed(); allWait(); sealed()) {
        const leaves = [...served.values()]
        expect(Math.max(...leaves) - Math.min(...leaves)).toBeLessThanOrEqual(2 * LARGEST)
      }
    }),
  )
})

it('a source that comes back is next, however long the backlog, and saves up nothing while it is idle', () => {
  const fair = createFairOrder()
  let heavy = backlog(1, 1, 100)
  fair.charge(fair.order(heavy).slice(0, 50))
  heavy = heavy.slice(50)
  const single = chunk(1_000, 2, 1)
  expect(fair.order([...heavy, single])[0]).toEqual(single)
  fair.charge([single])
  const burst = backlog(2, 2_000, 50)
  const next = fair.order([...heavy, ...burst]).slice(0, 10)
  expect(next.filter(({ sourceId }) => sourceId === 1).length).toBeGreaterThanOrEqual(4)
})

it('while little waits, the order is that of arrival', () => {
  const chunks = [chunk(1, 1, 500), chunk(2, 1, 500), chunk(3, 2, 1), chunk(4, 1, 9)]
  expect(createFairOrder().order([chunks[2]!, chunks[0]!, chunks[3]!, chunks[1]!])).toEqual(chunks)
})
