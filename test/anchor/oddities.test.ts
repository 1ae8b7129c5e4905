/**
 * Odd answers of nodes that were seen, and worse. Each row anchors a hash through such a node, follows it until it is
 * final, and verifies its receipt through it, as far as the row says; through a sane node nothing is lost or paid twice.
 */
import { afterAll, describe, expect, it } from 'vitest'
import { COSTS } from './support/oddities/costs.ts'
import { ENVELOPE } from './support/oddities/envelope.ts'
import { FEES } from './support/oddities/fees.ts'
import { FINALITY } from './support/oddities/finality.ts'
import { LIMITS } from './support/oddities/limits.ts'
import { RECEIPTS } from './support/oddities/receipts.ts'
import { STATE } from './support/oddities/state.ts'
import { createTestbed, type Testbed, tryRow } from './support/oddities/try-row.ts'

const ROWS = [...ENVELOPE, ...LIMITS, ...FINALITY, ...RECEIPTS, ...STATE, ...FEES, ...COSTS]

const all: Promise<Testbed>[] = []
const free: Testbed[] = []

async function withTestbed(use: (testbed: Testbed) => Promise<void>): Promise<void> {
  if (free.length === 0) all.push(createTestbed())
  const testbed = free.pop() ?? (await all.at(-1)!)
  await use(testbed)
  // One that failed may be in any state.
  free.push(testbed)
}

afterAll(async () => {
  await Promise.all(all.map(async (testbed) => (await testbed).close()))
})

describe('the catalogue of odd nodes', () => {
  it('has a row for each, sixty at least', () => {
    expect(ROWS.length).toBeGreaterThanOrEqual(60)
    expect(new Set(ROWS.map(({ name }) => name)).size).toBe(ROWS.length)
  })

  it.concurrent.each(ROWS)('$name ($seen)', { timeout: 60_000 }, async (row) => {
    await withTestbed((testbed) => tryRow(testbed, row))
  })
})
