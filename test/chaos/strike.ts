import { createChainFaults } from './chain-faults.ts'
import { type Patience, patienceUntil } from './patience.ts'
import { createReplicaFaults } from './replica-faults.ts'
import { createRpcFaults, isRpcFault } from './rpc-faults.ts'
import type { FaultEvent, FaultKind } from './schedule.ts'
import type { ChaosStage } from './stage.ts'

export type Struck = {
  /** How often each planned kind of fault took effect: a request was hit, a process is dead, a block is replaced. */
  counts: Record<string, number>
  /** Events for which the run held no occasion, by kind. */
  missed: Record<string, number>
}

/**
 * Carries out a schedule. An event whose occasion is not there yet, such as a transaction to be dropped, waits for it
 * until the run ends. Afterwards everything works.
 * @throws AggregateError when the chaos itself failed
 */
export async function strikeAll(
  stage: ChaosStage,
  events: readonly FaultEvent[],
  seconds: number,
  note: (line: string) => void,
): Promise<Struck> {
  const startedAt = performance.now()
  const patience = patienceUntil(startedAt + seconds * 1_000)
  const strike = createStrikes(stage, patience, note)
  const counts: Record<string, number> = {}
  const missed: Record<string, number> = {}
  const add = (to: Record<string, number>, kind: FaultKind, count: number) => {
    to[kind] = (to[kind] ?? 0) + count
  }
  for (const { kind } of events) add(counts, kind, 0)
  const failures: unknown[] = []
  const underWay: Promise<void>[] = []
  for (const event of events) {
    await patience.pause(event.atMs - (performance.now() - startedAt))
    note(`${(event.atMs / 1000).toFixed(1)} s ${JSON.stringify(event)}`)
    underWay.push(
      strike.one(event).then(
        (happened) => add(happened ? counts : missed, event.kind, 1),
        (error: unknown) => void failures.push(error),
      ),
    )
  }
  await patience.pause(Number.POSITIVE_INFINITY)
  await Promise.all(underWay)
  await strike.calm()
  if (failures.length > 0) throw new AggregateError(failures, 'the chaos itself failed')
  return { counts, missed }
}

function createStrikes(stage: ChaosStage, patience: Patience, note: (line: string) => void) {
  const rpc = createRpcFaults(stage, patience)
  const replicas = createReplicaFaults(stage, patience, note)
  const chain = createChainFaults(stage, patience, note)
  return {
    async one(event: FaultEvent): Promise<boolean> {
      if (isRpcFault(event)) return rpc.strike(event)
      switch (event.kind) {
        case 'kill':
          return replicas.kill(event.target, event.downMs)
        case 'kill_at_point':
          return replicas.killAtPoint(event.point, event.downMs)
        case 'stop_at_point':
          return replicas.stopAtPoint(event.point, event.longestMs)
        case 'suspend':
          return replicas.suspend(event.target, event.stopMs)
        case 'database_restart':
          await stage.databaseFaults.crash(event.downMs)
          return true
        case 'disk_full':
          return stage.databaseFaults.fillDisk(event.forMs, patience)
        case 'lost_commit_answer':
          return stage.databaseFaults.loseCommitAnswers(event.application, event.count, patience)
        case 'wrong_clock':
          return replicas.wrongClock(event.target, event.shiftMs, event.forMs)
        case 'reorg':
          return chain.reorg(event.depth, event.again)
        case 'fee_spike':
          return chain.outbid(event.gwei)
        case 'drop_transaction':
          return chain.dropTransaction()
        case 'older_wins':
          return chain.mineOlderBid()
        case 'no_blocks':
          return chain.haltBlocks(event.forMs)
      }
    },
    async calm() {
      stage.databaseFaults.calm()
      await rpc.stop()
      await stage.setMining(true)
    },
  }
}
