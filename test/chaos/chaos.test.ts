import { expect, it } from 'vitest'
import { runChaos } from './run.ts'
import { FAULTS } from './schedule.ts'

it('twenty seconds of every kind of fault lose nothing, and pay for nothing twice', async () => {
  const lines: string[] = []
  const { result, details } = await runChaos({
    seed: 11,
    seconds: 20,
    kinds: FAULTS,
    note: (line) => lines.push(line),
  })
  const { lost, invalid, rootsTwice, noncesTwice, stuck, unrecorded } = result
  expect(
    { lost, invalid, rootsTwice, noncesTwice, stuck, unrecorded },
    [...details, ...lines].join('\n'),
  ).toEqual({ lost: 0, invalid: 0, rootsTwice: 0, noncesTwice: 0, stuck: 0, unrecorded: 0 })
  expect(result.receipts).toBe(result.acknowledged)
  expect(result.acknowledged).toBeGreaterThan(100)
  expect(result.kills).toBeGreaterThanOrEqual(4)
}, 150_000)
