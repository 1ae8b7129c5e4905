import { version as nodeVersion } from 'node:process'
import type { Metrics } from '../core/metrics.ts'
import type { Logger } from '../core/ports.ts'
import type { PrometheusMetrics } from '../ops/metrics.ts'
import type { Pool } from '../store/connection/database.ts'
import { intakeBacklog } from '../store/intake/intake.ts'

/** Gauges that are read when `/metrics` is asked for. A gauge that cannot be read is NaN. */
export function registerGauges(deps: {
  metrics: PrometheusMetrics
  version: string
  pool: Pool
  logger: Logger
}): void {
  const { metrics, version } = deps
  metrics.gauge('holdfast_build_info', 1, { version, node: nodeVersion })
  metrics.onCollect(async () => {
    try {
      const { leaves, oldestAgeMs } = await intakeBacklog(deps.pool)
      setBacklog(metrics, leaves, Math.max(0, oldestAgeMs ?? 0) / 1000)
    } catch (error) {
      deps.logger.debug({ err: error }, 'the intake backlog could not be read for metrics')
      setBacklog(metrics, Number.NaN, Number.NaN)
    }
  })
}

function setBacklog(metrics: Metrics, hashes: number, ageSeconds: number): void {
  metrics.gauge('holdfast_intake_backlog_hashes', hashes)
  metrics.gauge('holdfast_intake_backlog_age_seconds', ageSeconds)
}
