import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Metrics } from '../core/ports.ts'

/** Seconds; from a fraction of one disk flush to an anchor that waits for cheaper gas. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600]

type Labels = Record<string, string>

export type PrometheusMetrics = Metrics & {
  /** The exposition text of `/metrics`. */
  text(): Promise<string>
  contentType: string
  /** Calls `read` before each exposition, for gauges that are cheaper read than kept. */
  onCollect(read: () => void | Promise<void>): void
}

/**
 * Metrics kept by prom-client. A metric is made on first use with the labels it came with; a label that first use did
 * not have is dropped, so that a call can never throw. Names are prefixed with `holdfast_` where they are not yet,
 * counters end in `_total` and durations in `_seconds`.
 * @param help descriptions by full name; a metric without one is described by its name
 * @param processMetrics memory, event loop lag, garbage collection and the like as well
 */
export function createMetrics(
  options: { help?: Readonly<Record<string, string>>; processMetrics?: boolean } = {},
): PrometheusMetrics {
  const registry = new Registry()
  if (options.processMetrics) collectDefaultMetrics({ register: registry })
  const readers: (() => void | Promise<void>)[] = []

  function family<T>(suffix: string, make: (settings: Settings) => T) {
    const made = new Map<string, { metric: T; labelNames: readonly string[] }>()
    return (given: string, labels: Labels | undefined) => {
      let entry = made.get(given)
      if (entry === undefined) {
        const name = fullName(given, suffix)
        entry = made.get(name)
        if (entry === undefined) {
          const labelNames = Object.keys(labels ?? {})
          const help = options.help?.[name] ?? name.replaceAll('_', ' ')
          entry = { metric: make({ name, help, labelNames, registers: [registry] }), labelNames }
          made.set(name, entry)
        }
        made.set(given, entry)
      }
      return { metric: entry.metric, labels: pick(labels, entry.labelNames) }
    }
  }
  const counters = family('_total', (settings) => new Counter(settings))
  const gauges = family('', (settings) => new Gauge(settings))
  const histograms = family('_seconds', (settings) => new Histogram({ ...settings, buckets: BUCKETS }))

  return {
    count(name, by = 1, given) {
      const { metric, labels } = counters(name, given)
      if (labels === undefined) metric.inc(by)
      else metric.inc(labels, by)
    },
    gauge(name, value, given) {
      const { metric, labels } = gauges(name, given)
      if (labels === undefined) metric.set(value)
      else metric.set(labels, value)
    },
    observe(name, seconds, given) {
      const { metric, labels } = histograms(name, given)
      if (labels === undefined) metric.observe(seconds)
      else metric.observe(labels, seconds)
    },
    async text() {
      await Promise.all(readers.map((read) => read()))
      return registry.metrics()
    },
    contentType: registry.contentType,
    onCollect: (read) => void readers.push(read),
  }
}

type Settings = { name: string; help: string; labelNames: string[]; registers: Registry[] }

function fullName(given: string, suffix: string): string {
  const name = given.replaceAll(/[^a-zA-Z0-9_]/g, '_')
  const prefixed = name.startsWith('holdfast_') ? name : `holdfast_${name}`
  return suffix === '' || prefixed.endsWith(suffix) ? prefixed : `${prefixed}${suffix}`
}

function pick(labels: Labels | undefined, names: readonly string[]): Labels | undefined {
  if (labels === undefined || names.length === 0) return undefined
  const entries = Object.entries(labels)
  if (entries.every(([name]) => names.includes(name))) return labels
  return Object.fromEntries(entries.filter(([name]) => names.includes(name)))
}
