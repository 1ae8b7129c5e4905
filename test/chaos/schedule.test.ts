import { expect, it } from 'vitest'
import { FAULTS, planFaults, promisedKills } from './schedule.ts'

it('the same seed gives the same schedule, another seed another', () => {
  expect(planFaults(7, 120, FAULTS)).toEqual(planFaults(7, 120, FAULTS))
  expect(planFaults(8, 120, FAULTS)).not.toEqual(planFaults(7, 120, FAULTS))
})

it('a schedule of a minute uses every kind of fault at least twice and lies within the minute', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const events = planFaults(seed, 60, FAULTS)
    for (const kind of FAULTS) {
      expect(events.filter((event) => event.kind === kind).length, kind).toBeGreaterThanOrEqual(2)
    }
    expect(events.every((event) => event.atMs > 0 && event.atMs < 60_000)).toBe(true)
  }
})

it('a schedule holds the kills that its length promises: more than sixty in 300 seconds', () => {
  expect(promisedKills(300)).toBeGreaterThan(60)
  for (const seconds of [1, 5, 10, 20, 60, 120, 300]) {
    for (let seed = 0; seed < 50; seed += 1) {
      const kills = planFaults(seed, seconds, FAULTS).filter(({ kind }) => kind === 'kill')
      expect(kills.length).toBeGreaterThanOrEqual(promisedKills(seconds))
    }
  }
})

it('only the kinds that are asked for occur', () => {
  const kinds = planFaults(1, 60, ['reorg', 'kill']).map((event) => event.kind)
  expect(new Set(kinds)).toEqual(new Set(['reorg', 'kill']))
})
