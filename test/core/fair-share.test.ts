import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createFairShare } from '../../src/core/fair-share.ts'

/** Takes one by one as much as it gets. */
function fill(share: ReturnType<typeof createFairShare>, client: string): number {
  let taken = 0
  while (share.take(client, 1)) taken++
  return taken
}

it('one client may have three quarters, and whoever comes next finds some, however many took all they could', () => {
  const share = createFairShare(10_000)
  expect(fill(share, 'first')).toBe(7_500)
  let before = 7_500
  for (const next of ['second', 'third', 'fourth', 'fifth']) {
    const got = fill(share, next)
    expect(got).toBeGreaterThan(0)
    expect(got).toBeLessThan(before)
    before = got
  }
})

it('what is given back can be taken again, and nothing is ever taken beyond the limit', () => {
  const step = fc.record({
    client: fc.constantFrom('a', 'b', 'c'),
    amount: fc.integer({ min: 1, max: 400 }),
    give: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const share = createFairShare(1_000)
      const held = new Map<string, number[]>()
      for (const { client, amount, give } of steps) {
        const mine = held.get(client) ?? []
        held.set(client, mine)
        if (give) share.give(client, mine.pop() ?? 0)
        else if (share.take(client, amount)) mine.push(amount)
        const total = [...held.values()].flat().reduce((sum, each) => sum + each, 0)
        expect(share.taken()).toBe(total)
        expect(total).toBeLessThanOrEqual(1_000)
      }
      for (const [client, amounts] of held) for (const amount of amounts) share.give(client, amount)
      expect(fill(share, 'd')).toBe(750)
    }),
  )
})

it('what is larger than the limit is for the first of all', () => {
  const share = createFairShare(10)
  expect(share.take('a', 50)).toBe(true)
  expect(share.take('b', 1)).toBe(false)
  share.give('a', 50)
  expect(share.take('b', 1)).toBe(true)
})
