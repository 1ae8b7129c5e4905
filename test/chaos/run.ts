import { startLoad } from './load.ts'
import { type FaultKind, planFaults } from './schedule.ts'
import { createChaosStage } from './stage.ts'
import { createStriker } from './strike.ts'
import { type Tally, takeTally } from './tally.ts'

export type ChaosResult = {
  seed: number
  seconds: number
  /** Replica processes that ended by SIGKILL. */
  kills: number
  /** How often each kind of fault took effect. */
  faults: Record<string, number>
} & Omit<Tally, 'details'>

const DRAIN_MS = 90_000

/** Producers, auditors, two daemons and everything that can go wrong, then the reckoning. */
export async function runChaos(options: {
  seed: number
  seconds: number
  kinds: readonly FaultKind[]
  note: (line: string) => void
  /** Keeps logs and configuration even when everything held. */
  keep?: boolean
}): Promise<{ result: ChaosResult; holds: boolean; details: string[] }> {
  const { seed, seconds, note } = options
  const stage = await createChaosStage()
  let keep = true
  try {
    const urls = stage.replicas.map((replica) => replica.url)
    const load = startLoad({ seed, urls, apiKey: stage.apiKey, rpcUrl: stage.rpcUrl })
    const striker = createStriker(stage, note)
    const endsAt = performance.now() + seconds * 1_000
    await striker.run(planFaults(seed, seconds, options.kinds), seconds)
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, endsAt - performance.now())))
    await load.stop()
    await striker.calm()
    for (const replica of stage.replicas) replica.kill({ downMs: 10 })
    await new Promise((resolve) => setTimeout(resolve, 200))
    for (const replica of stage.replicas) {
      if (!(await replica.serving(30_000)))
        throw new Error(`a replica does not come back: ${replica.crashes.at(-1)}`)
    }
    note(`calm; ${load.acknowledged.length} acknowledged, ${load.audited()} receipts audited meanwhile`)
    const { details, ...tally } = await takeTally(stage, load, DRAIN_MS)
    const kills = stage.replicas.reduce((sum, replica) => sum + replica.kills(), 0)
    const result = { seed, seconds, kills, faults: striker.counts, ...tally }
    const { lost, invalid, rootsTwice, noncesTwice, stuck, unrecorded } = tally
    const holds = lost + invalid + rootsTwice + noncesTwice + stuck + unrecorded === 0
    for (const replica of stage.replicas)
      for (const crash of replica.crashes) note(`a replica ended: ${crash}`)
    keep = !holds || options.keep === true
    return { result, holds, details }
  } finally {
    if (keep) note(`logs and configuration are kept in ${stage.folder}`)
    await stage.close(keep)
  }
}
