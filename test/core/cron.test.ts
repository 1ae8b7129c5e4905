import fc from 'fast-check'
import cron from 'node-cron'
import { describe, expect, it } from 'vitest'
import { createDeadline, cronFault, nextRunAfter } from '../../src/core/cron.ts'

const EXPRESSIONS = [
  '* * * * *',
  '*/10 * * * *',
  '*/10 * * * * *',
  '5,35 */6 * * *',
  '0 0 1 * *',
  '30 4 * * 1-5',
  '15 14 1 1,7 *',
  '0 0 29 2 *',
  '0 12 L * *',
  '59 59 23 31 12 *',
  '0 0 * * sun',
]
/** 2020-01-01 to 2030-01-01. */
const instants = fc.integer({ min: 1_577_836_800_000, max: 1_893_456_000_000 })

describe('nextRunAfter', () => {
  it('agrees with node-cron about the runs to come', () => {
    for (const expression of EXPRESSIONS) {
      const task = cron.createTask(expression, () => undefined, { timezone: 'UTC' })
      const runs = task.getNextRuns(5).map((date) => date.getTime())
      void task.destroy()
      const next = nextRunAfter(expression)
      let at = runs[0]! - 1
      for (const run of runs) {
        at = next(at)
        expect(new Date(at).toISOString()).toBe(new Date(run).toISOString())
      }
    }
  })

  it('is later than asked, fires there, and nothing fires in between', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('*/10 * * * * *', '7 3 * * *', '20 30 */5 * * *'),
        instants,
        (expression, at) => {
          const run = nextRunAfter(expression)(at)
          const task = cron.createTask(expression, () => undefined, { timezone: 'UTC' })
          void task.destroy()
          expect(run).toBeGreaterThan(at)
          expect(task.match(new Date(run))).toBe(true)
          const first = Math.floor(at / 1000) * 1000 + 1000
          for (let each = Math.max(first, run - 20_000); each < run; each += 1000) {
            expect(task.match(new Date(each))).toBe(false)
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it('takes the run after an instant that is itself a run', () => {
    expect(nextRunAfter('0 0 * * *')(Date.UTC(2026, 0, 1))).toBe(Date.UTC(2026, 0, 2))
    expect(nextRunAfter('0 0 29 2 *')(Date.UTC(2024, 1, 29))).toBe(Date.UTC(2028, 1, 29))
  })
})

describe('createDeadline', () => {
  it('is the next run plus the allowance, in whatever order it is asked', () => {
    const deadline = createDeadline({ cron: '*/10 * * * *', anchorWithinMs: 60_000 })
    const next = nextRunAfter('*/10 * * * *')
    fc.assert(fc.property(instants, (at) => deadline(at) === next(at) + 60_000))
    expect(deadline(Date.UTC(2026, 0, 1, 0, 9, 59, 999))).toBe(Date.UTC(2026, 0, 1, 0, 11))
    expect(deadline(Date.UTC(2026, 0, 1, 0, 10))).toBe(Date.UTC(2026, 0, 1, 0, 21))
  })
})

describe('cronFault', () => {
  it.each([
    ...EXPRESSIONS,
    '*/60 * * * *',
    '0 */24 * * *',
    '0 0 */2 * 1',
    '0 0 ? * 5',
    '22-2/5 * * * *',
    '@hourly',
  ])('takes %s', (expression) => expect(cronFault(expression)).toBeUndefined())

  it.each([
    ['*/90 * * * *', 'expected a step of at most 60 in "*/90"'],
    ['*/90 * * * * *', 'expected a step of at most 60 in "*/90"'],
    ['0 */36 * * *', 'expected a step of at most 24 in "*/36"'],
    ['0-10/20 * * * *', 'expected a step of at most 11 in "0-10/20"'],
    ['5,*/61 * * * *', 'expected a step of at most 60 in "*/61"'],
    ['55-5/20 * * * *', 'expected a step of at most 11 in "55-5/20"'],
    ['0 0 13 * 5', 'for the day of month (13) or for the day of week (5)'],
    ['0 0 0 1,15 * mon', 'for the day of month (1,15) or for the day of week (mon)'],
    ['0 0 L * 1-5', 'for the day of month (L) or for the day of week (1-5)'],
    ['0 0 31W 2 *', 'fires at least once a century'],
    ['0 0 31 2 *', 'impossible day of month'],
    ['5/15 * * * *', 'minute'],
  ])('refuses %s', (expression, why) => expect(cronFault(expression)).toContain(why))
})
