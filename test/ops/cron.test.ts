import fc from 'fast-check'
import cron from 'node-cron'
import { describe, expect, it } from 'vitest'
import { createDeadline, nextRunAfter, scheduleTick } from '../../src/ops/cron.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { createMetrics } from '../../src/ops/metrics.ts'

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
const silent = { logger: createLogger({ level: 'silent', pretty: false }), timezone: 'UTC' as const }

function gate(): { promise: Promise<void>; open(): void } {
  let open = () => {}
  const promise = new Promise<void>((resolve) => {
    open = resolve
  })
  return { promise, open }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('condition not met within 5 s')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

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

describe('scheduleTick', () => {
  it('runs on schedule and goes on after an error, which it counts', async () => {
    const metrics = createMetrics()
    let runs = 0
    const tick = scheduleTick({
      ...silent,
      name: 'test',
      cron: '* * * * * *',
      metrics,
      run: async () => {
        runs++
        if (runs === 1) throw new Error('first run fails')
      },
    })
    expect(tick.nextRun()!.getTime()).toBeGreaterThan(Date.now() - 1000)
    await until(() => runs >= 2)
    await tick.close()
    const text = await metrics.text()
    expect(text).toContain('holdfast_tick_failures_total{tick="test"} 1')
    expect(text).toContain('holdfast_ticks_total{tick="test"} 1')
    expect(tick.nextRun()).toBeNull()
  })

  it('skips a time that comes while a run is under way', async () => {
    const metrics = createMetrics()
    const { promise, open } = gate()
    let runs = 0
    const tick = scheduleTick({
      ...silent,
      name: 'slow',
      cron: '* * * * * *',
      metrics,
      run: () => {
        runs++
        return promise
      },
    })
    await until(async () => (await metrics.text()).includes('holdfast_ticks_skipped_total{tick="slow"} 1'))
    expect(runs).toBe(1)
    open()
    await tick.close()
  })

  it('triggers once more after the run under way, shared by all who ask, and reports its error', async () => {
    const gates = [gate(), gate()]
    let runs = 0
    const tick = scheduleTick({
      ...silent,
      name: 'forced',
      cron: '0 0 1 1 *',
      metrics: createMetrics(),
      run: async () => {
        const turn = runs++
        await gates[turn]!.promise
        if (turn === 1) throw new Error('second run fails')
      },
    })
    const first = tick.trigger()
    const later = Promise.allSettled([tick.trigger(), tick.trigger()])
    gates[0]!.open()
    await first
    gates[1]!.open()
    expect((await later).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(runs).toBe(2)
    await tick.close()
    await tick.trigger()
    expect(runs).toBe(2)
  })

  it('waits for the run under way when it closes', async () => {
    const { promise, open } = gate()
    let ended = false
    const tick = scheduleTick({
      ...silent,
      name: 'closing',
      cron: '0 0 1 1 *',
      metrics: createMetrics(),
      run: async () => {
        await promise
        ended = true
      },
    })
    const run = tick.trigger()
    const closing = tick.close()
    open()
    await closing
    expect(ended).toBe(true)
    await run
  })
})
