import { loadConfig } from '../config/load.ts'
import { describeConfig, secretsOf } from '../config/secrets.ts'
import { startDaemon } from '../daemon/start.ts'
import { createLogger } from '../ops/logger.ts'
import { createMetrics } from '../ops/metrics.ts'
import { createShutdown } from '../ops/shutdown.ts'
import { explained } from './database-url.ts'
import { leaseOwner } from './owner.ts'

const SHUTDOWN_DEADLINE_MS = 30_000

export async function serve(): Promise<void> {
  const config = loadConfig(process.env)
  const logger = createLogger({ ...config.log, secrets: secretsOf(config, process.env) })
  logger.info({ config: describeConfig(config) }, 'configuration')
  const shutdown = createShutdown({ logger, deadlineMs: SHUTDOWN_DEADLINE_MS })
  shutdown.onSignals()
  const start = () =>
    startDaemon({
      config,
      env: process.env,
      logger,
      metrics: createMetrics({ chains: config.chains.map(({ chainId }) => chainId), processMetrics: true }),
      owner: leaseOwner(),
      faultPoint: process.env.HOLDFAST_FAULT_POINT,
    })
  const daemon = await explained(config.database.url, start, { startsAgain: true })
  shutdown.defer('daemon', daemon.close)
}
