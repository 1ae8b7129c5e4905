/**
 * What 10^8 records take: pushed as octets as fast as they are accepted, sealed meanwhile and after. `npm run space:100m`
 * takes some minutes and about 40 GB of disk, write-ahead log included. Prints the size of the database a record, at its
 * largest and once the daemon has nothing left to do; exits 0 only if both are within their limits. A number after the
 * name is taken instead of 10^8.
 */
import { note } from './figure.ts'
import { idleBytes, untilMerged } from './filled-store.ts'
import { hashSource } from './hashes.ts'
import { load, requestHead } from './http-load.ts'
import { databaseBytes, tableSizes, watchSize } from './size-watch.ts'
import { closeStages, openStage, untilSealed } from './stage.ts'

const RECORDS = Number(process.argv[2] ?? 100_000_000)
const PER_REQUEST = 100_000
const CONNECTIONS = 4
const LIMITS = { peak: 90, idle: 70 }
const WITHIN_MS = 3_600_000

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void closeStages().finally(() => process.exit(1)))
}
const stage = await openStage({ walBytes: 4 * 2 ** 30 })
try {
  const before = await databaseBytes(stage.pool)
  const sizes = watchSize(stage.pool)
  const daemon = await stage.startDaemon()
  const hashes = hashSource(PER_REQUEST, CONNECTIONS * 4)
  const head = requestHead({
    method: 'POST',
    path: '/v1/records',
    apiKey: stage.apiKey,
    contentType: 'application/octet-stream',
    bodyBytes: PER_REQUEST * 32,
  })
  const startedAt = performance.now()
  const sinceStart = () => (performance.now() - startedAt) / 1000
  let sent = 0
  let refused = 0
  // A push that was refused for want of room is made up for by another.
  while (sent < RECORDS) {
    const wanted = Math.ceil((RECORDS - sent) / PER_REQUEST)
    const next = (index: number) => (index < wanted ? [head, hashes.take(PER_REQUEST)] : null)
    const result = await load({ url: daemon.url, connections: CONNECTIONS, next })
    sent += result.requests * PER_REQUEST
    refused += result.refused
  }
  const pushedAfter = sinceStart()
  note(
    `pushed in ${pushedAfter.toFixed(1)} s, ${(sent / pushedAfter / 1e6).toFixed(2)} M/s, ${refused} refused`,
  )
  await untilSealed(stage.pool, WITHIN_MS)
  const sealedAfter = sinceStart()
  note(`sealed after ${sealedAfter.toFixed(1)} s, ${(sent / sealedAfter / 1e6).toFixed(2)} M/s`)
  await untilMerged(stage)
  note(`merged after ${sinceStart().toFixed(1)} s`)
  const idle = ((await idleBytes(stage.pool)) - before) / sent
  sizes.stop()
  const peak = (sizes.peak().bytes - before) / sent
  note(`at its largest: ${sizes.peak().tables}`)
  note(`idle: ${await tableSizes(stage.pool)}`)
  note(`daemon's memory ${Math.round(daemon.peakMemory() / 2 ** 20)} MB at most`)
  const figures = { n: sent, peakBytes: Number(peak.toFixed(1)), idleBytes: Number(idle.toFixed(1)) }
  console.log(JSON.stringify({ bench: 'space-100m', ...figures, limits: LIMITS }))
  process.exitCode = peak <= LIMITS.peak && idle <= LIMITS.idle ? 0 : 1
} finally {
  await stage.close()
}
