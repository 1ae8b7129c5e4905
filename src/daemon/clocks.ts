/** How far this machine's clock is from the database's and from each chain's newest block. */
import { CLOCK_FAIL_MS, describeSkew } from '../core/clock-skew.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Clock, Logger } from '../core/ports.ts'
import type { HealthCheck } from '../http/deps.ts'

/** Another clock: its time in ms since the epoch, or null when it shows none. Its name labels the metric. */
export type OtherClock = {
  name: string
  /** As a health line says it. */
  title: string
  read(): Promise<number | null>
  /** A newest block is always a while old: only one from the future proves a skew. */
  isNewestBlock: boolean
}

export type Clocks = {
  /** The database's time: this machine's, corrected by the skew measured last. */
  databaseClock: Clock
  /** Measures against this one too, from now on. */
  watch(other: OtherClock): void
  health(): HealthCheck[]
  close(): void
}

const MEASURE_EVERY_MS = 30_000

/**
 * Measures at once and every 30 s, in the gauge `holdfast_clock_skew_seconds{against}`: positive when this machine's clock
 * is ahead. Resolves after the first look at the database; without its answer the skew counts as 0 until the next.
 */
export async function startClocks(deps: {
  database: OtherClock
  clock: Clock
  logger: Logger
  metrics: Metrics
}): Promise<Clocks> {
  const { clock, logger, metrics } = deps
  const watched = [deps.database]
  const skews = new Map<OtherClock, number>()
  let closed = false

  async function measure(other: OtherClock): Promise<void> {
    try {
      const before = clock.now()
      const theirs = await other.read()
      if (theirs === null || closed) return
      const skewMs = (before + clock.now()) / 2 - theirs
      skews.set(other, skewMs)
      metrics.gauge('holdfast_clock_skew_seconds', skewMs / 1000, { against: other.name })
      if (isOff(other, skewMs)) logger.warn({ against: other.name, skewMs }, 'clocks differ')
    } catch (error) {
      if (!closed) logger.debug({ err: error, against: other.name }, 'a clock could not be read')
    }
  }

  const timer = setInterval(() => {
    for (const other of watched) void measure(other)
  }, MEASURE_EVERY_MS)
  timer.unref()
  await measure(deps.database)

  return {
    watch(other) {
      watched.push(other)
      void measure(other)
    },
    databaseClock: { now: () => clock.now() - (skews.get(deps.database) ?? 0) },
    health: () =>
      [...skews].map(([other, skewMs]) => ({
        name: `clock against ${other.title}`,
        ok: !isOff(other, skewMs),
        detail: describeSkew(other.isNewestBlock ? Math.min(0, skewMs) : skewMs, other.title),
      })),
    close() {
      closed = true
      clearInterval(timer)
    },
  }
}

function isOff(other: OtherClock, skewMs: number): boolean {
  return (other.isNewestBlock ? -skewMs : Math.abs(skewMs)) >= CLOCK_FAIL_MS
}
