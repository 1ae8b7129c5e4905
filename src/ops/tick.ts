import { nextRunAfter } from '../core/cron.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Clock, Logger } from '../core/ports.ts'

export type Tick = {
  /** The next scheduled run, or null after close(). */
  nextRun(): Date | null
  /**
   * Runs now; when a run is under way, once more after it, so that what came meanwhile is included. Calls that come
   * together share one run. Rejects with the run's error, which is logged and counted as well.
   */
  trigger(): Promise<void>
  /** Takes no further runs and waits for the one under way. */
  close(): Promise<void>
}

/** Between two looks at the clock: bounds how long a clock that was set goes unnoticed. */
const LOOK_MS = 1_000
/** A run that starts this much later than its time counts as late. */
const LATE_MS = 1_000
/** A clock that is corrected by less than this does not repeat a time that has already fired. */
const SMALL_STEP_MS = 60_000

/**
 * Calls `run` at each time of a cron expression (UTC), never twice at once: a time that comes while a run is under way
 * is skipped and counted. Times that were missed because the process was busy or suspended, or because the clock was
 * set forward, are made up for by one run. When the clock is set back, the schedule follows the new time. An error in
 * `run` is logged and counted, and the schedule goes on.
 */
export function scheduleTick(options: {
  /** For logs and metrics. */
  name: string
  cron: string
  run(): Promise<void>
  clock: Clock
  logger: Logger
  metrics: Metrics
}): Tick {
  const { name, run, clock, logger, metrics } = options
  const labels = { tick: name }
  let running: Promise<void> | undefined
  let queued: Promise<void> | undefined
  let closed = false

  function start(): Promise<void> {
    const startedAt = performance.now()
    const done = (async () => {
      try {
        // Through an async function, so that even a throw before the first await ends after `running` is set.
        await (async () => run())()
        metrics.count('holdfast_ticks_total', 1, labels)
        metrics.gauge('holdfast_tick_last_success_timestamp_seconds', clock.now() / 1000, labels)
      } catch (error) {
        metrics.count('holdfast_tick_failures_total', 1, labels)
        logger.error({ err: error, tick: name }, 'tick failed; the next one comes as scheduled')
        throw error
      } finally {
        metrics.observe('holdfast_tick_seconds', (performance.now() - startedAt) / 1000, labels)
        running = undefined
      }
    })()
    running = done
    return done
  }

  function onSchedule(lateMs: number): void {
    if (running) {
      metrics.count('holdfast_ticks_skipped_total', 1, labels)
      logger.warn({ tick: name }, 'tick skipped: the one before is still running')
      return
    }
    if (lateMs > LATE_MS) {
      metrics.count('holdfast_ticks_late_total', 1, labels)
      logger.warn(
        { tick: name, lateMs },
        'tick late: the process was busy or suspended, or the clock was set',
      )
    }
    void settled(start())
  }

  const schedule = followSchedule(options.cron, clock, onSchedule)
  return {
    nextRun: () => (closed ? null : new Date(schedule.nextMs())),
    async trigger() {
      if (closed) return
      if (!running) return start()
      queued ??= settled(running).then(() => {
        queued = undefined
        return closed ? undefined : (running ?? start())
      })
      return queued
    },
    async close() {
      closed = true
      schedule.close()
      if (running) await settled(running)
    },
  }
}

/** Calls `fire` at each time of the expression, by the wall clock as it is at every look. */
function followSchedule(
  expression: string,
  clock: Clock,
  fire: (lateMs: number) => void,
): { nextMs(): number; close(): void } {
  const next = nextRunAfter(expression)
  let fired = Number.NEGATIVE_INFINITY
  let due = next(clock.now())
  let timer: NodeJS.Timeout

  /** From now on, but not the time that fired last when the clock was merely corrected. */
  function upcoming(now: number): number {
    return next(fired > now && fired - now < SMALL_STEP_MS ? fired : now)
  }

  function arm(now: number): void {
    timer = setTimeout(look, Math.max(1, Math.min(LOOK_MS, due - now)))
  }

  function look(): void {
    const now = clock.now()
    const reached = now >= due
    const lateMs = now - due
    if (reached) fired = due
    // Unless it was reached, the same as before, save after the clock was set back.
    due = upcoming(now)
    arm(now)
    if (reached) fire(lateMs)
  }

  arm(clock.now())
  return { nextMs: () => due, close: () => clearTimeout(timer) }
}

/** Waits for the end of a promise whose error is dealt with elsewhere. */
async function settled(promise: Promise<void>): Promise<void> {
  await Promise.allSettled([promise])
}
