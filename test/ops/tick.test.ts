import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/ports.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { createMetrics } from '../../src/ops/metrics.ts'
import { scheduleTick } from '../../src/ops/tick.ts'
import { runProcess, typescriptArgs } from '../support/process.ts'

const silent = { logger: createLogger({ level: 'silent', pretty: false }), clock: systemClock }

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

const COUNT_TICKS = fileURLToPath(new URL('support/count-ticks.ts', import.meta.url))

describe('ticks and the process’s time zone', () => {
  // Two seconds before each change, in UTC: the clocks of these zones repeat an hour, half an hour, or skip one.
  it.concurrent.each([
    ['America/Sao_Paulo', '2018-02-18T01:59:58Z'],
    ['America/Sao_Paulo', '2018-11-04T02:59:58Z'],
    ['Europe/Berlin', '2026-10-25T00:59:58Z'],
    ['Europe/Berlin', '2026-03-29T00:59:58Z'],
    ['Australia/Lord_Howe', '2026-04-04T14:59:58Z'],
    ['Pacific/Apia', '2011-12-30T09:59:58Z'],
  ])('go on through a change of the clocks in %s at %s', async (zone, startsAt) => {
    const child = runProcess(process.execPath, [...typescriptArgs(COUNT_TICKS), startsAt, '5000'], {
      env: { TZ: zone },
    })
    await child.exit()
    expect(Number(child.stdout())).toBeGreaterThanOrEqual(4)
  })
})

describe('ticks and a clock that is set', () => {
  function scheduled(cron: string, startMs: number) {
    const clock = { nowMs: startMs, looks: 0 }
    const runs: number[] = []
    const metrics = createMetrics()
    const tick = scheduleTick({
      name: 'set',
      cron,
      logger: silent.logger,
      metrics,
      clock: {
        now: () => {
          clock.looks++
          return clock.nowMs
        },
      },
      run: async () => void runs.push(clock.nowMs),
    })
    return { tick, runs, metrics, clock }
  }
  const NOON = Date.UTC(2026, 5, 1, 12)

  it('follow the new time when it was set back by an hour', async () => {
    const { tick, runs, clock } = scheduled('*/10 * * * *', NOON + 1)
    clock.nowMs = NOON - 3_600_000
    await until(() => tick.nextRun()!.getTime() === NOON - 3_000_000)
    clock.nowMs = NOON - 3_000_000
    await until(() => runs.length === 1)
    expect(tick.nextRun()!.getTime()).toBe(NOON - 2_400_000)
    await tick.close()
  })

  it('make up for missed times with one run when it was set forward', async () => {
    const { tick, runs, metrics, clock } = scheduled('*/10 * * * *', NOON + 1)
    clock.nowMs = NOON + 3_600_001
    await until(() => runs.length === 1)
    expect(tick.nextRun()!.getTime()).toBe(NOON + 4_200_000)
    expect(await metrics.text()).toContain('holdfast_ticks_late_total{tick="set"} 1')
    await tick.close()
    expect(runs).toHaveLength(1)
  })

  it('do not fire twice for one time when it was corrected by a second', async () => {
    const { tick, runs, clock } = scheduled('*/10 * * * *', NOON - 1)
    clock.nowMs = NOON
    await until(() => runs.length === 1)
    clock.nowMs = NOON - 1_000
    const looks = clock.looks
    await until(() => clock.looks >= looks + 2)
    expect(tick.nextRun()!.getTime()).toBe(NOON + 600_000)
    await tick.close()
    expect(runs).toHaveLength(1)
  })
})
