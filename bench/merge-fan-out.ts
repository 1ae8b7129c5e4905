/**
 * How many runs of a tier to merge into one: what `seal.mergeFanOut` rests on. Many small batches are sealed and
 * merged as the sealer does; then look-ups are timed. Run it with `npm run -s bench:fan-out`.
 */

import { leafOf } from '../src/merkle/path.ts'
import { mergeStep } from '../src/seal/merge-runs.ts'
import { createPace } from '../src/seal/pace.ts'
import { sealBatch } from '../src/seal/seal-batch.ts'
import { acquireLease } from '../src/store/connection/leases.ts'
import { findEarliestLeaves } from '../src/store/index/find-leaves.ts'
import { listRuns } from '../src/store/index/leaf-runs.ts'
import { readPending } from '../src/store/intake/pending.ts'
import { note, quantile } from './figure.ts'
import { preload } from './filled-store.ts'
import { hashSource } from './hashes.ts'
import { openStage } from './stage.ts'

const BATCHES = 127
const CHUNK = 10_000
const LOOK_UPS = 1_000

for (const fanOut of [2, 4, 8, 16]) {
  const stage = await openStage()
  try {
    const { pool } = stage
    const reader = await pool.connect()
    const writer = await pool.connect()
    const lease = await acquireLease(pool, 'seal', 'bench', 600_000)
    if (!lease) throw new Error('the lease is held by somebody')
    const hashes = hashSource(CHUNK, 16)
    await preload(stage, hashes, BATCHES * CHUNK)
    const chunks = (await readPending(pool, { limit: BATCHES })).chunks
    let sealSeconds = 0
    let mergeSeconds = 0
    let merged = 0
    let most = 0
    const pace = createPace()
    for (const chunk of chunks) {
      const start = performance.now()
      await sealBatch({ reader, writer, lease, chunks: [chunk] })
      sealSeconds += (performance.now() - start) / 1000
      const mergeStart = performance.now()
      for (;;) {
        most = Math.max(most, (await listRuns(pool)).length)
        const step = await mergeStep({ reader, writer, lease, fanOut, pace })
        if (step === null) break
        merged += step.entries
      }
      mergeSeconds += (performance.now() - mergeStart) / 1000
    }
    const latencies: number[] = []
    for (let i = 0; i < LOOK_UPS; i++) {
      const hash = hashes.at(Math.floor(Math.random() * BATCHES * CHUNK))
      const start = performance.now()
      const [found] = await findEarliestLeaves(pool, [{ hash, leaf: leafOf(hash) }])
      if (!found) throw new Error('a sealed leaf is not in the index')
      latencies.push(performance.now() - start)
    }
    const runs = (await listRuns(pool)).length
    const n = BATCHES * CHUNK
    note(
      `fan-out ${fanOut}: sealing ${sealSeconds.toFixed(1)} s, merging ${mergeSeconds.toFixed(1)} s (${(merged / n).toFixed(1)} rewrites an entry), ` +
        `${runs} runs at the end, ${most} at most, look-up p50 ${quantile(latencies, 0.5).toFixed(2)} ms, p99 ${quantile(latencies, 0.99).toFixed(2)} ms`,
    )
    reader.release()
    writer.release()
  } finally {
    await stage.close()
  }
}
