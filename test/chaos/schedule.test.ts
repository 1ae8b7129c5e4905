import { expect, it } from 'vitest'
import { FAULTS, planFaults } from './schedule.ts'

it('the same seed gives the same schedule, another seed another', () => {
  expect(planFaults(7, 120, FAULTS)).toEqual(planFaults(7, 120, FAULTS))
  expect(planFaults(8, 120, FAULTS)).not.toEqual(planFaults(7, 120, FAULTS))
})

it('a schedule of a minute uses every kind of fault and lies within the minute', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const events = planFaults(seed, 60, FAULTS)
    expect([...new Set(events.map((event) => event.kind))].sort()).toEqual([...FAULTS].sort())
    expect(events.every((event) => event.atMs > 0 && event.atMs < 60_000)).toBe(true)
  }
})

it('only the kinds that are asked for occur', () => {
  const kinds = planFaults(1, 60, ['reorg', 'kill']).map((event) => event.kind)
  expect(new Set(kinds)).toEqual(new Set(['reorg', 'kill']))
})
