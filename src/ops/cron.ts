import cron from 'node-cron'
import type { Logger, Metrics } from '../core/ports.ts'

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

/**
 * Calls `run` at each time of a cron expression, never twice at once: a time that comes while a run is under way is
 * skipped and counted. A time that was missed because the process was busy or suspended is made up for at once. An
 * error in `run` is logged and counted, and the schedule goes on.
 */
export function scheduleTick(options: {
  /** For logs and metrics. */
  name: string
  cron: string
  timezone: 'UTC'
  run(): Promise<void>
  logger: Logger
  metrics: Metrics
}): Tick {
  const { name, run, logger, metrics } = options
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
        metrics.gauge('holdfast_tick_last_success_timestamp_seconds', Date.now() / 1000, labels)
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

  async function onSchedule(): Promise<void> {
    if (closed) return
    if (running) {
      metrics.count('holdfast_ticks_skipped_total', 1, labels)
      logger.warn({ tick: name }, 'tick skipped: the one before is still running')
      return
    }
    await settled(start())
  }

  const task = cron.createTask(options.cron, onSchedule, {
    timezone: options.timezone,
    logger: {
      debug: () => undefined,
      info: (message) => logger.info({ tick: name }, message),
      warn: (message) => logger.warn({ tick: name }, message),
      error: (message, error) => logger.error({ err: error ?? message, tick: name }, 'cron error'),
    },
  })
  task.on('execution:missed', () => {
    metrics.count('holdfast_ticks_late_total', 1, labels)
    if (!running) return onSchedule()
    return undefined
  })
  void task.start()

  return {
    nextRun: () => (closed ? null : task.getNextRun()),
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
      await task.destroy()
      if (running) await settled(running)
    },
  }
}

/** Waits for the end of a promise whose error is dealt with elsewhere. */
async function settled(promise: Promise<void>): Promise<void> {
  await Promise.allSettled([promise])
}

const DAY_MS = 86_400_000
const HORIZON_DAYS = 366 * 100

/**
 * The first time after an instant at which a cron expression fires, in UTC. node-cron itself answers that for the
 * present only; here its own parser gives hours, minutes and seconds, and its own matcher judges each day.
 * @returns a function from ms since the epoch to ms since the epoch, strictly later
 */
export function nextRunAfter(expression: string): (afterMs: number) => number {
  const fields = cron.parse(expression)
  const ascending = (values: readonly number[]) => [...values].sort((a, b) => a - b)
  const [hours, minutes, seconds] = [fields.hour, fields.minute, fields.second].map(ascending)
  const matcher = cron.createTask(expression, () => undefined, { timezone: 'UTC' })
  void matcher.destroy()
  const firstOfDay = ((hours![0]! * 60 + minutes![0]!) * 60 + seconds![0]!) * 1000

  function firstOn(dayMs: number, afterMs: number): number | undefined {
    for (const hour of hours!) {
      if (dayMs + (hour + 1) * 3_600_000 <= afterMs) continue
      for (const minute of minutes!) {
        if (dayMs + (hour * 60 + minute + 1) * 60_000 <= afterMs) continue
        for (const second of seconds!) {
          const at = dayMs + ((hour * 60 + minute) * 60 + second) * 1000
          if (at > afterMs) return at
        }
      }
    }
    return undefined
  }

  return (afterMs) => {
    const today = Math.floor(afterMs / DAY_MS) * DAY_MS
    for (let day = 0; day < HORIZON_DAYS; day++) {
      const dayMs = today + day * DAY_MS
      if (!fields.month.includes(new Date(dayMs).getUTCMonth() + 1)) continue
      if (!matcher.match(new Date(dayMs + firstOfDay))) continue
      const found = firstOn(dayMs, afterMs)
      if (found !== undefined) return found
    }
    throw new RangeError(`cron expression ${expression} never fires`)
  }
}

/**
 * When a record must be anchored by: the next run strictly after its arrival, plus `anchorWithinMs`. Asking again for
 * an instant before the same run costs two comparisons.
 */
export function createDeadline(options: {
  cron: string
  anchorWithinMs: number
}): (receivedAtMs: number) => number {
  const next = nextRunAfter(options.cron)
  let from = 0
  let until = 0
  return (receivedAtMs) => {
    if (receivedAtMs < from || receivedAtMs >= until) {
      until = next(receivedAtMs)
      from = receivedAtMs
    }
    return until + options.anchorWithinMs
  }
}
