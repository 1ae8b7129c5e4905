/**
 * The whole of a run. In: a seed, a length, the kinds of fault that are wanted. Out: what was promised and what became
 * of it. The order matters: all goes wrong; then, without a fault and without a restart, everything must become final;
 * then it is counted; then the daemons are killed once more, and nothing may look different.
 */
import { readChainHistory } from './chain-history.ts'
import { drain } from './drain.ts'
import { type Load, startLoad } from './load.ts'
import { checkPaidOnce } from './paid-once.ts'
import { checkReceipts, collectReceipts } from './receipts.ts'
import { EVERY_KIND_FROM_SECONDS, type FaultKind, planFaults, promisedKills } from './schedule.ts'
import { type ChaosStage, createChaosStage } from './stage.ts'
import { readStaleWrites } from './stale-writes.ts'
import { type Struck, strikeAll } from './strike.ts'

/** The line of JSON that `npm run chaos` prints. docs/operations.md says what each field means. */
export type ChaosResult = {
  seed: number
  seconds: number
  kills: number
  faults: Record<string, number>
  acknowledged: number
  receipts: number
  lost: number
  invalid: number
  rootsTwice: number
  noncesTwice: number
  stuck: number
  unrecorded: number
  staleWrites: number
  crashes: number
  missed: Record<string, number>
  refusedStarts: number
  audited: number
  reissued: number
  anchors: number
  attempts: number
  batches: number
  holds: boolean
}

const DRAIN_MS = 60_000
const RESTART_WITHIN_MS = 30_000

/**
 * `details` says what each number that should be 0 is about. Rejects when the chaos itself failed, or when `signal`
 * aborts; no process and no folder is left in any case, but for the logs of a run that did not hold.
 */
export async function runChaos(options: {
  seed: number
  seconds: number
  kinds: readonly FaultKind[]
  note: (line: string) => void
  /** Keeps logs and configuration even when everything held. */
  keep?: boolean
  signal?: AbortSignal
}): Promise<{ result: ChaosResult; details: string[] }> {
  const { note, signal } = options
  const stage = await createChaosStage()
  note(`logs and configuration are in ${stage.folder}`)
  let ended: { result: ChaosResult; details: string[] } | null = null
  try {
    const kinds = options.kinds.filter((kind) => kind !== 'disk_full' || stage.canFillDisk)
    if (kinds.length < options.kinds.length)
      note('SKIPPED: disk_full, for no file system can be mounted here')
    ended = await unlessAborted(signal, () => runOn(stage, { ...options, kinds }))
    return ended
  } finally {
    const aborted = signal?.aborted === true
    const keep = options.keep === true || (ended?.result.holds !== true && !aborted)
    if (keep) note(`kept: ${stage.folder}`)
    await stage.close({ keep, atOnce: aborted })
  }
}

async function unlessAborted<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (signal === undefined) return work()
  signal.throwIfAborted()
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  return Promise.race([work(), aborted])
}

async function runOn(
  stage: ChaosStage,
  options: Parameters<typeof runChaos>[0],
): Promise<{ result: ChaosResult; details: string[] }> {
  const { seed, seconds, kinds, note } = options
  const load = startLoad(stage, seed)
  const struck = await strikeAll(stage, planFaults(seed, seconds, kinds), seconds, note)
  await load.stop()
  const kills = stage.replicas.reduce((sum, replica) => sum + replica.kills(), 0)
  note(`calm; ${load.acknowledged.length} acknowledged, ${load.audited()} receipts audited meanwhile`)

  const drained = await drain(stage, DRAIN_MS)
  note(drained.stuck === 0 ? 'everything is final' : `${drained.stuck} are stuck`)
  const reckoning = await reckon(stage, load)
  const restart = await restartAll(stage, load, reckoning.lines)
  const staleWrites = await readStaleWrites(stage.database.pool)
  const crashes = stage.replicas.flatMap((replica) => replica.crashes)
  const { receipts, lost, reissued } = reckoning.checked
  const { rootsTwice, noncesTwice, unrecorded, missing } = reckoning.paid
  const counts = {
    lost,
    invalid: reckoning.checked.invalid + missing + load.faults.length + restart.changed,
    rootsTwice,
    noncesTwice,
    stuck: drained.stuck + restart.down,
    unrecorded,
    staleWrites: staleWrites.length,
    crashes: crashes.length,
  }
  const unheld = unkept(counts, kills, struck, options)
  return {
    result: {
      seed,
      seconds,
      kills,
      faults: struck.counts,
      acknowledged: load.acknowledged.length,
      receipts,
      ...counts,
      missed: struck.missed,
      refusedStarts: stage.replicas.reduce((sum, replica) => sum + replica.refusedStarts(), 0),
      audited: load.audited(),
      reissued,
      ...(await sizes(stage)),
      holds: unheld.length === 0,
    },
    details: [
      ...load.faults.slice(0, 20),
      ...drained.details,
      ...reckoning.checked.details,
      ...reckoning.paid.details,
      ...restart.details,
      ...staleWrites.slice(0, 10),
      ...crashes.map((crash) => `a daemon ended by itself: ${crash}`),
      ...unheld,
    ],
  }
}

async function reckon(stage: ChaosStage, load: Load) {
  const lines = await collectReceipts(stage, load.acknowledged)
  const chain = await readChainHistory(stage)
  return {
    lines,
    checked: await checkReceipts(stage, load, lines, chain),
    paid: await checkPaidOnce(stage, chain),
  }
}

/** Killed and started once more, with nothing under way, the daemons must say the very same. */
async function restartAll(
  stage: ChaosStage,
  load: Load,
  before: ReadonlyMap<string, string>,
): Promise<{ changed: number; down: number; details: string[] }> {
  await Promise.all(
    stage.replicas.map((replica) => replica.kill({ downMs: 10, withinMs: RESTART_WITHIN_MS })),
  )
  const serving = await Promise.all(stage.replicas.map((replica) => replica.serving(RESTART_WITHIN_MS)))
  const down = serving.filter((serves) => !serves).length
  if (down > 0) return { changed: 0, down, details: [`${down} daemons do not come back after a last kill`] }
  const after = await collectReceipts(stage, load.acknowledged)
  const changed = [...before].filter(([hash, line]) => after.get(hash) !== line)
  return {
    changed: changed.length,
    down,
    details: changed
      .slice(0, 5)
      .map(([hash, line]) => `changed by a restart: ${line} became ${after.get(hash)}`),
  }
}

/** What of the run's promises was not kept, in words. */
function unkept(
  counts: Record<string, number>,
  kills: number,
  struck: Struck,
  { seconds, kinds }: { seconds: number; kinds: readonly FaultKind[] },
): string[] {
  const broken = Object.entries(counts).flatMap(([name, count]) => (count === 0 ? [] : [`${name}: ${count}`]))
  if (kinds.includes('kill') && kills < promisedKills(seconds)) {
    broken.push(`only ${kills} kills, ${promisedKills(seconds)} were promised`)
  }
  if (seconds >= EVERY_KIND_FROM_SECONDS) {
    for (const kind of kinds) if (!struck.counts[kind]) broken.push(`${kind} never took effect`)
  }
  return broken
}

async function sizes({
  database,
}: ChaosStage): Promise<{ anchors: number; attempts: number; batches: number }> {
  const { rows } = await database.pool.query<{ anchors: number; attempts: number; batches: number }>(
    `select (select count(*) from anchor) as anchors, (select count(*) from attempt) as attempts,
       (select count(*) from batch) as batches`,
  )
  return rows[0]!
}
