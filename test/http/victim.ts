/**
 * The real HTTP server in a process of its own, so that what clients do to its memory and its event loop can be measured.
 * Nothing is behind it: every key is known, and every push is acknowledged at once.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createServer } from '../../src/http/server.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { createMetrics } from '../../src/ops/metrics.ts'

const metrics = createMetrics()
const settings = JSON.parse(process.argv[2] ?? '{}')
const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()

const server = await createServer({
  settings: {
    host: '127.0.0.1',
    port: 0,
    bodyLimitBytes: 32 * 1024 * 1024,
    recordLimitBytes: 256 * 1024,
    requestTimeoutMs: 60_000,
    maxConnections: 10_000,
    publicReceipts: true,
    ...settings,
  },
  intake: { push: async () => Date.now() },
  prover: {
    record: async () => ({ kind: 'unknown', unsearched: null }),
    receipt: async () => ({ kind: 'unknown', unsearched: null }),
    async *receipts(hashes) {
      for (const hash of hashes) yield { hash: `0x${hash.toString('hex')}`, status: 'unknown' }
    },
  },
  verify: () => Promise.reject(new Error('not asked for')),
  anchorBy: () => null,
  lists: {
    batches: async () => [],
    batch: async () => null,
    tile: async () => null,
    anchors: async () => [],
    anchor: async () => null,
  },
  findSource: async (keyHash) => ({ id: keyHash.readUInt32BE(), name: 'any', scopes: ['admin'] }),
  // What a test reads: bytes held, and the longest time since the last look for which nothing else ran.
  status: async () => {
    const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage()
    const blockedMs = delay.max / 1e6
    delay.reset()
    const { user, system } = process.cpuUsage()
    return { heapUsed, external, arrayBuffers, rss, blockedMs, cpuMs: (user + system) / 1000 }
  },
  events: { follow: () => ({ gap: false, from: '', missed: [], stop: () => undefined }) },
  eventConcerns: async () => false,
  health: { ready: async () => [], all: async () => [] },
  metricsPage: metrics,
  logger: createLogger({ level: 'error', pretty: false, destination: process.stderr }),
  metrics,
  clock: { now: () => Date.now() },
})
process.stdout.write(`listening at ${await server.listen()}\n`)
