// The daemon as `holdfast serve` runs it, from dist/, in a process of its own. Beyond `serve`, the parent may ask for
// a tick and is told of events: {type: 'tick', id} in; {type: 'ready' | 'ticked' | 'failed', …} out.
import { parseConfig } from '../dist/config/load.js'
import { startDaemon } from '../dist/daemon/start.js'
import { createLogger } from '../dist/ops/logger.js'
import { createMetrics } from '../dist/ops/metrics.js'

const env = { BENCH_KEY: process.env.BENCH_KEY }
const daemon = await startDaemon({
  config: parseConfig(JSON.parse(process.env.BENCH_CONFIG ?? '{}'), env),
  env,
  logger: createLogger({ level: 'warn', pretty: false, secrets: [] }),
  metrics: createMetrics({ processMetrics: true }),
  owner: `bench/${process.pid}`,
})

process.on('message', async ({ type, id }) => {
  if (type === 'tick') {
    try {
      await daemon.tick()
      process.send?.({ type: 'ticked', id })
    } catch (error) {
      process.send?.({ type: 'ticked', id, error: String(error) })
    }
  } else if (type === 'close') {
    await daemon.close()
    process.exit(0)
  }
})
process.on('disconnect', () => void daemon.close().then(() => process.exit(0)))
process.send?.({ type: 'ready', url: daemon.url })
