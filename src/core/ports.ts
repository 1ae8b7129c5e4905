/** What every room receives instead of reaching for it. */

export type Clock = {
  /** Milliseconds since the Unix epoch. */
  now(): number
}

type LogMethod = {
  (fields: object, message?: string): void
  (message: string): void
}

/** The part of pino that rooms use. */
export type Logger = {
  debug: LogMethod
  info: LogMethod
  warn: LogMethod
  error: LogMethod
  child(bindings: object): Logger
}

/** Counters, gauges and histograms by name; `ops/metrics.ts` gives them to Prometheus, tests may pass `noMetrics`. */
export type Metrics = {
  count(name: string, by?: number, labels?: Record<string, string>): void
  gauge(name: string, value: number, labels?: Record<string, string>): void
  /** @param seconds a duration in seconds */
  observe(name: string, seconds: number, labels?: Record<string, string>): void
}

export const noMetrics: Metrics = { count() {}, gauge() {}, observe() {} }

export const systemClock: Clock = { now: () => Date.now() }
