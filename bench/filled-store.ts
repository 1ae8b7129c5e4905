/** A store of many sealed records and the daemon over it: what `seal`, `receipt` and `space` measure, made once. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Pool } from '../src/store/connection/database.ts'
import { listRuns } from '../src/store/index/leaf-runs.ts'
import { createIntakeAppender } from '../src/store/intake/intake.ts'
import { note } from './figure.ts'
import { type HashSource, hashSource } from './hashes.ts'
import { databaseBytes, tableSizes, watchSize } from './size-watch.ts'
import { openStage, type RunningDaemon, type Stage, untilSealed, untilTrue } from './stage.ts'

export type FilledStore = {
  stage: Stage
  daemon: RunningDaemon
  /** Records in it. */
  n: number
  hashes: HashSource
  /** Bytes of the database before the first record, at its largest, and when the daemon had nothing left to do. */
  bytesBefore: number
  bytesPeak: number
  bytesIdle: number
  sealing: SealingRun
}

export type SealingRun = {
  /** From the daemon's start until the last batch was committed. */
  seconds: number
  /** Records a second of each tenth of the records, in order. */
  tenthRates: number[]
  /** From then until the last merge was committed. */
  mergeSeconds: number
  /** Resident memory that the daemon's peak adds to what it has when it is idle, in bytes. */
  addedMemory: number
  peakMemory: number
}

const CHUNK = 10_000
const SETTLED_MS = 10_000
/** More than is written until everything is sealed and merged. */
const WAL_BYTES = 4 * 2 ** 30
/** An open anchor is looked at as often as by default: each look takes its share of the event loop. */
const AS_BY_DEFAULT_MS = 12_000

/** Puts n hashes into the intake log. */
export async function preload(stage: Stage, hashes: HashSource, n: number): Promise<void> {
  const append = createIntakeAppender(stage.pool)
  for (let done = 0; done < n; done += CHUNK * 10) {
    const chunks = Array.from({ length: Math.min(10, (n - done) / CHUNK) }, () => ({
      sourceId: stage.sourceId,
      hashes: hashes.take(CHUNK),
    }))
    await append(chunks)
  }
}

/** Ten million records (quick: a million), first as intake, then sealed by a daemon, then anchored by a tick. */
export async function fillStore({ quick }: { quick: boolean }): Promise<FilledStore> {
  const n = quick ? 1_000_000 : 10_000_000
  const stage = await openStage({ walBytes: WAL_BYTES })
  try {
    const bytesBefore = await databaseBytes(stage.pool)
    const sizes = watchSize(stage.pool)
    const hashes = hashSource(CHUNK, 16)
    note(`  ${n} hashes into intake`)
    await preload(stage, hashes, n)
    await stage.pool.query('checkpoint')

    const idle = await idleMemory()
    const seal = quick ? { maxLeaves: 131_072 } : {}
    const fanOut = process.env.BENCH_MERGE_FAN_OUT
    const startedAt = Date.now()
    const daemon = await stage.startDaemon({
      seal: { ...seal, ...(fanOut ? { mergeFanOut: Number(fanOut) } : {}) },
      pollIntervalMs: AS_BY_DEFAULT_MS,
    })
    await untilSealed(stage.pool)
    const seconds = (Date.now() - startedAt) / 1000
    const mergingFrom = performance.now()
    await untilMerged(stage)
    const mergeSeconds = (performance.now() - mergingFrom) / 1000
    const peakMemory = daemon.peakMemory()
    const tenthRates = await ratesOfTenths(stage, startedAt)
    note(
      `  sealed in ${seconds.toFixed(1)} s, merged ${mergeSeconds.toFixed(1)} s later, peak ${mb(peakMemory)}`,
    )
    note(`  records/s of each tenth: ${tenthRates.map((rate) => Math.round(rate / 1000)).join(' ')} k`)
    await daemon.tick()
    const mined = async () =>
      (await stage.pool.query("select 1 from anchor where state in ('mined', 'finalized')")).rowCount! > 0
    await untilTrue('the anchor to be mined', mined)
    const bytesIdle = await idleBytes(stage.pool)
    sizes.stop()
    note(`  at its largest: ${sizes.peak().tables}`)
    note(`  idle: ${await tableSizes(stage.pool)}`)
    await stage.pool.query('vacuum')
    // Or it would be written out during whatever is measured next.
    await stage.pool.query('checkpoint')
    const bytesPeak = sizes.peak().bytes
    const sealing = { seconds, tenthRates, mergeSeconds, peakMemory, addedMemory: peakMemory - idle }
    return { stage, daemon, n, hashes, bytesBefore, bytesPeak, bytesIdle, sealing }
  } catch (error) {
    await stage.close()
    throw error
  }
}

export function mb(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MB`
}

/** Peak resident memory of a daemon that has nothing to do, in bytes. */
async function idleMemory(): Promise<number> {
  const stage = await openStage()
  try {
    const daemon = await stage.startDaemon()
    await pause(2_000)
    return daemon.peakMemory()
  } finally {
    await stage.close()
  }
}

/** Waits until no tier has had a merge for a while. */
export async function untilMerged(stage: Stage): Promise<void> {
  let before = ''
  let since = performance.now()
  await untilTrue(
    'merges to end',
    async () => {
      const { rows } = await stage.pool.query(
        "select 1 from pg_stat_activity where application_name = 'holdfast-seal' and state <> 'idle'",
      )
      const runs = JSON.stringify(await listRuns(stage.pool))
      if (runs !== before || rows.length > 0) {
        before = runs
        since = performance.now()
      }
      return performance.now() - since > 1_000
    },
    { everyMs: 50 },
  )
}

/** Bytes of the database once it has not changed for ten seconds, by the daemon's own upkeep alone. */
export async function idleBytes(pool: Pool): Promise<number> {
  let bytes = await databaseBytes(pool)
  let since = performance.now()
  await untilTrue(
    'the size of the database to settle',
    async () => {
      const now = await databaseBytes(pool)
      if (now !== bytes) since = performance.now()
      bytes = now
      return performance.now() - since > SETTLED_MS
    },
    { everyMs: 500 },
  )
  return bytes
}

async function ratesOfTenths(stage: Stage, startedAtMs: number): Promise<number[]> {
  const { rows } = await stage.pool.query<{ leaves: number; ms: number }>(
    'select leaf_count as leaves, (extract(epoch from sealed_at) * 1000)::float8 as ms from batch order by id',
  )
  const total = rows.reduce((sum, { leaves }) => sum + leaves, 0)
  const rates: number[] = []
  let leaves = 0
  let fromMs = startedAtMs
  for (const batch of rows) {
    leaves += batch.leaves
    if (leaves < total / 10) continue
    rates.push((leaves * 1000) / (batch.ms - fromMs))
    leaves = 0
    fromMs = batch.ms
  }
  return rates
}
