/** In: the table of `core/metrics.ts`. Out: `/metrics` in Prometheus' text format. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { METRICS, type MetricDefinition, type Metrics } from '../core/metrics.ts'

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
 * Registers every metric of the table. Counters start at zero wherever their labels are known.
 * @param chains configured chain ids, the values of the label `chain`, and of `tick` as `anchor:<id>`
 * @param processMetrics memory, event loop lag, garbage collection and the like as well
 */
export function createMetrics(
  options: { chains?: readonly number[]; processMetrics?: boolean } = {},
): PrometheusMetrics {
  const registry = new Registry()
  if (options.processMetrics) collectDefaultMetrics({ register: registry })
  const readers: (() => void | Promise<void>)[] = []
  const counters = new Map<string, Counter>()
  const gauges = new Map<string, Gauge>()
  const histograms = new Map<string, Histogram>()
  for (const [name, definition] of Object.entries<MetricDefinition>(METRICS)) {
    const { type, help } = definition
    const settings = { name, help, labelNames: Object.keys(definition.labels), registers: [registry] }
    if (type === 'gauge') gauges.set(name, new Gauge(settings))
    else if (type === 'histogram') histograms.set(name, new Histogram({ ...settings, buckets: BUCKETS }))
    else {
      const counter = new Counter(settings)
      for (const labels of knownLabels(definition, options.chains ?? [])) counter.inc(labels, 0)
      counters.set(name, counter)
    }
  }

  return {
    count: (name: string, by: number, labels: Labels = {}) => counters.get(name)?.inc(labels, by),
    gauge: (name: string, value: number, labels: Labels = {}) => gauges.get(name)?.set(labels, value),
    observe: (name: string, seconds: number, labels: Labels = {}) =>
      histograms.get(name)?.observe(labels, seconds),
    async text() {
      await Promise.all(readers.map((read) => read()))
      return registry.metrics()
    },
    contentType: registry.contentType,
    onCollect: (read) => void readers.push(read),
  }
}

function valuesOf(label: string, chains: readonly number[]): string[] | undefined {
  if (label === 'chain') return chains.map(String)
  return label === 'tick' ? chains.map((chainId) => `anchor:${chainId}`) : undefined
}

/** Every combination of the labels' values; none when a label's values are known only at run time. */
function knownLabels({ labels }: MetricDefinition, chains: readonly number[]): Labels[] {
  let combinations: Labels[] = [{}]
  for (const [name, given] of Object.entries(labels)) {
    const values = valuesOf(name, chains) ?? given
    if (values === null) return []
    combinations = combinations.flatMap((labels) => values.map((value) => ({ ...labels, [name]: value })))
  }
  return combinations
}
