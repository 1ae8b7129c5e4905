import { createQueue, type Patience } from './patience.ts'
import type { Replica } from './replica.ts'
import type { Target } from './schedule.ts'
import type { ChaosStage } from './stage.ts'

/** What befalls daemons. Each resolves true once it has happened, false when there was no occasion for it. */
export type ReplicaFaults = {
  kill(target: Target, downMs: number): Promise<boolean>
  /** SIGSTOP for this long. */
  suspend(target: Target, stopMs: number): Promise<boolean>
  /** Started again with a clock that is wrong, and after a while with the right one. */
  wrongClock(target: Target, shiftMs: number, forMs: number): Promise<boolean>
  /** A daemon dies at the instant that the step announces. */
  killAtPoint(point: string, downMs: number): Promise<boolean>
  /** A daemon stands still at that instant until another has taken over its work, or for this long. */
  stopAtPoint(point: string, longestMs: number): Promise<boolean>
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
   * that the work comes to it. `then` is awaited once it is there, with what befalls replicas still befalling the other.
   */
  async function atPoint(
    { point, how, downMs }: { point: string; how: '' | ':stop'; downMs: number },
    isThere: (replica: Replica, deathsBefore: number) => boolean,
    then: (replica: Replica, other: 0 | 1) => Promise<void>,
  ): Promise<boolean> {
    if (patience.isOver()) return false
    armed = (await stage.holderOf(leaseOf(point))) === 0 ? 1 : 0
    const otherIndex = armed === 0 ? 1 : 0
    try {
      const replica = stage.replicas[armed]!
      const other = stage.replicas[otherIndex]!
      const deaths = replica.pointDeaths()
      await replica.kill({ downMs: 10, withinMs: PROCESS_WITHIN_MS, faultPoint: `${point}${how}` })
      if (!(await replica.serving(SERVING_WITHIN_MS))) note(`${point}: its replica was not up in time`)
      await other.kill({ downMs: OVERTAKEN_MS, withinMs: PROCESS_WITHIN_MS })
      const deadline = performance.now() + POINT_WITHIN_MS
      const arrived = await patience.until(() => {
        if (isThere(replica, deaths)) return true
        return performance.now() > deadline ? false : null
      })
      if (arrived === true) {
        await then(replica, otherIndex)
        return true
      }
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
    // In turn with what sends a replica to a point, whose start this one would undo.
    wrongClock: (target, clockShiftMs, forMs) =>
      pointsInTurn(async () => {
        if (patience.isOver()) return false
        const replica = await replicaOf(target)
        await replica.kill({ downMs: 10, withinMs: PROCESS_WITHIN_MS, clockShiftMs })
        const served = await replica.serving(SERVING_WITHIN_MS)
        await patience.pause(forMs)
        await replica.kill({ downMs: 10, withinMs: PROCESS_WITHIN_MS, clockShiftMs: 0 })
        return served
      }),
    killAtPoint: (point, downMs) =>
      pointsInTurn(() =>
        atPoint(
          { point, how: '', downMs },
          (replica, deaths) => replica.pointDeaths() > deaths,
          async () => {},
        ),
      ),
    stopAtPoint: (point, longestMs) =>
      pointsInTurn(() =>
        atPoint(
          { point, how: ':stop', downMs: 10 },
          (replica) => replica.isSuspended(),
          async (replica, other) => {
            const deadline = performance.now() + longestMs
            await patience.until(async () => {
              const isOvertaken = (await stage.holderOf(leaseOf(point))) === other
              return isOvertaken || performance.now() > deadline ? true : null
            })
            replica.resume()
          },
        ),
      ),
  }
}

function leaseOf(point: string): 'seal' | 'anchor' {
  return point.startsWith('seal') ? 'seal' : 'anchor'
}
