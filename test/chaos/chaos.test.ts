import { expect, it } from 'vitest'
import { runChaos } from './run.ts'
import { FAULTS, promisedKills } from './schedule.ts'

const SECONDS = 20
/** Some faults wait for an occasion, which a busy machine may not offer in so short a run. */
const KINDS_AT_LEAST = 6

it('twenty seconds of every kind of fault lose nothing, and pay for nothing twice', async () => {
  const lines: string[] = []
  const { result, details } = await runChaos({
    seed: 11,
    seconds: SECONDS,
    kinds: FAULTS,
    note: (line) => lines.push(line),
  })
  const { lost, invalid, rootsTwice, noncesTwice, stuck, unrecorded, staleWrites, crashes } = result
  expect(
    { lost, invalid, rootsTwice, noncesTwice, stuck, unrecorded, staleWrites, crashes },
    [...details, ...lines].join('\n'),
  ).toEqual({
    lost: 0,
    invalid: 0,
    rootsTwice: 0,
    noncesTwice: 0,
    stuck: 0,
    unrecorded: 0,
    staleWrites: 0,
    crashes: 0,
  })
  expect(result.receipts).toBe(result.acknowledged)
  expect(result.acknowledged).toBeGreaterThan(100)
  expect(result.kills).toBeGreaterThanOrEqual(promisedKills(SECONDS))
  const struck = Object.entries(result.faults).filter(([, count]) => count > 0)
  expect(struck.length, JSON.stringify(result.faults)).toBeGreaterThanOrEqual(KINDS_AT_LEAST)
  expect(result.holds).toBe(true)
}, 150_000)
