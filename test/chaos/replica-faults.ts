import { createQueue, type Patience } from './patience.ts'
import type { Replica } from './replica.ts'
import type { Target } from './schedule.ts'
import type { ChaosStage } from './stage.ts'

/** What befalls daemons. Each resolves true once it has happened, false when there was no occasion for it. */
export type ReplicaFaults = {
  kill(target: Target, downMs: number): Promise<boolean>
  /** SIGSTOP for this long. */
  suspend(target: Target, stopMs: number): Promise<boolean>
  /** A daemon dies at the instant that the step announces. */
  killAtPoint(point: string, downMs: number): Promise<boolean>
  /** A daemon stands still at that instant. */
  stopAtPoint(point: string, stopMs: number): Promise<boolean>
}

/** Longer than a lease: by then the other replica has taken over. */
const OVERTAKEN_MS = 2_600
const POINT_WITHIN_MS = 12_000
const PROCESS_WITHIN_MS = 10_000
const SERVING_WITHIN_MS = 8_000

export function createReplicaFaults(
  stage: Pick<ChaosStage, 'replicas' | 'holderOf'>,
  patience: Patience,
  note: (line: string) => void,
): ReplicaFaults {
  const pointsInTurn = createQueue()
  let armed: 0 | 1 | null = null

  /** While one replica is on its way to a point, what befalls replicas befalls the other. */
  async function replicaOf(target: Target): Promise<Replica> {
    const wanted = typeof target === 'number' ? target : ((await stage.holderOf(target)) ?? 0)
    return stage.replicas[armed === null ? wanted : 1 - armed]!
  }

  /**
   * Starts one replica so that it dies or stops at the point, and takes the other away for as long as a lease, so
   * that the work comes to it.
   */
  async function atPoint(
    point: string,
    how: '' | ':stop',
    downMs: number,
    reached: (replica: Replica, deathsBefore: number) => boolean,
  ): Promise<boolean> {
    if (patience.isOver()) return false
    const holder = await stage.holderOf(point.startsWith('seal') ? 'seal' : 'anchor')
    armed = holder === 0 ? 1 : 0
    try {
      const replica = stage.replicas[armed]!
      const other = stage.replicas[1 - armed]!
      const deaths = replica.pointDeaths()
      await replica.kill({ downMs: 10, withinMs: PROCESS_WITHIN_MS, faultPoint: `${point}${how}` })
      if (!(await replica.serving(SERVING_WITHIN_MS))) note(`${point}: its replica was not up in time`)
      await other.kill({ downMs: OVERTAKEN_MS, withinMs: PROCESS_WITHIN_MS })
      const deadline = performance.now() + POINT_WITHIN_MS
      const arrived = await patience.until(() => {
        if (reached(replica, deaths)) return true
        return performance.now() > deadline ? false : null
      })
      if (arrived === true) return true
      note(`${point} was not reached in time`)
      await replica.kill({ downMs, withinMs: PROCESS_WITHIN_MS })
      return false
    } finally {
      armed = null
    }
  }

  return {
    async kill(target, downMs) {
      return (await replicaOf(target)).kill({ downMs, withinMs: PROCESS_WITHIN_MS })
    },
    async suspend(target, stopMs) {
      const stopped = await patience.until(async () =>
        (await (await replicaOf(target)).suspend(stopMs)) ? true : null,
      )
      return stopped === true
    },
    killAtPoint: (point, downMs) =>
      pointsInTurn(() => atPoint(point, '', downMs, (replica, deaths) => replica.pointDeaths() > deaths)),
    stopAtPoint: (point, stopMs) =>
      pointsInTurn(() => atPoint(point, ':stop', 10, (replica) => replica.resumeFromPoint(stopMs))),
  }
}
