import type { Replica } from './replica.ts'
import { createRpcFaults, isRpcFault } from './rpc-faults.ts'
import type { FaultEvent, FaultKind, Target } from './schedule.ts'
import type { ChaosStage } from './stage.ts'

/** Longer than a lease: by then the other replica has taken over. */
const OVERTAKEN_MS = 2_600
const POINT_WITHIN_MS = 12_000

/** Carries out a schedule. */
export type Striker = {
  /** How often each kind of fault took effect. */
  counts: Record<string, number>
  /** Runs until the last event has been carried out; rejects when the chaos itself fails. */
  run(events: readonly FaultEvent[], seconds: number): Promise<void>
  /** Everything works from now on. */
  calm(): Promise<void>
}

export function createStriker(stage: ChaosStage, note: (line: string) => void): Striker {
  const counts: Record<string, number> = {}
  let armed: 0 | 1 | null = null
  let endsAt = Number.POSITIVE_INFINITY
  const rpcFaults = createRpcFaults(stage.proxies)
  const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
  const happened = (kind: FaultKind) => {
    counts[kind] = (counts[kind] ?? 0) + 1
  }

  /** Nobody waits for a point much longer than the run lasts. */
  function pointWithinMs(): number {
    return Math.max(1_000, Math.min(POINT_WITHIN_MS, endsAt - performance.now()))
  }

  /** While one replica is on its way to a point, what befalls replicas befalls the other. */
  async function indexOf(target: Target): Promise<0 | 1> {
    if (armed !== null) return armed === 0 ? 1 : 0
    return typeof target === 'number' ? target : ((await stage.holderOf(target)) ?? 0)
  }

  /**
   * Starts one replica so that it dies or stops at the point, and takes the other away for as long as a lease, so
   * that the work comes to it. One at a time.
   */
  async function atPoint(
    point: string,
    how: string,
    reached: (replica: Replica, deathsBefore: number) => Promise<boolean>,
  ) {
    if (armed !== null) return false
    const holder = await stage.holderOf(point.startsWith('seal') ? 'seal' : 'anchor')
    armed = holder === 0 ? 1 : 0
    try {
      const replica = stage.replicas[armed]!
      const deaths = replica.pointDeaths()
      replica.kill({ downMs: 10, faultPoint: `${point}${how}` })
      await pause(100)
      if (!(await replica.serving(8_000))) note(`${point}: its replica was not up in time`)
      stage.replicas[1 - armed]!.kill({ downMs: OVERTAKEN_MS })
      if (await reached(replica, deaths)) return true
      note(`${point} was not reached in time`)
      replica.kill({ downMs: 10 })
      return false
    } finally {
      armed = null
    }
  }

  async function strike(event: FaultEvent): Promise<void> {
    if (isRpcFault(event)) {
      rpcFaults.begin(event)
      return happened(event.kind)
    }
    switch (event.kind) {
      case 'kill':
        stage.replicas[await indexOf(event.target)]!.kill({ downMs: event.downMs })
        return happened(event.kind)
      case 'kill_at_point': {
        const died = async (replica: Replica, before: number) => {
          const deadline = performance.now() + pointWithinMs()
          while (performance.now() < deadline && replica.pointDeaths() === before) await pause(50)
          return replica.pointDeaths() > before
        }
        if (await atPoint(event.point, '', died)) happened(event.kind)
        return
      }
      case 'stop_at_point': {
        const stopped = (replica: Replica) => replica.resumeFromPoint(pointWithinMs(), event.stopMs)
        if (await atPoint(event.point, ':stop', stopped)) happened(event.kind)
        return
      }
      case 'suspend':
        stage.replicas[await indexOf(event.target)]!.suspend(event.stopMs)
        return happened(event.kind)
      case 'database_restart':
        if (await stage.restartDatabase(event.downMs)) happened(event.kind)
        return
      case 'reorg':
        if (await reorg(event.depth, event.again)) happened(event.kind)
        return
      case 'fee_spike':
        // A transaction that waits is outbid by it; otherwise the next one has to offer more.
        await waitingTransactions()
        await stage.rpc('anvil_setNextBlockBaseFeePerGas', [
          `0x${(BigInt(event.gwei) * 10n ** 9n).toString(16)}`,
        ])
        return happened(event.kind)
      case 'drop_transaction':
        if (await dropTransaction()) happened(event.kind)
        return
      case 'no_blocks':
        await stage.setMining(false)
        await pause(event.forMs)
        await stage.setMining(true)
        return happened(event.kind)
    }
  }

  /** `again`: the first new block holds the transactions, or the oldest ones that were signed for their nonces. */
  async function reorg(depth: number, again: boolean): Promise<boolean> {
    const head = Number(await stage.rpc('eth_blockNumber'))
    if (head <= depth + 2) return false
    const kept: [string, number][] = []
    for (let offset = 0; again && offset < depth; offset += 1) {
      const number = `0x${(head - depth + 1 + offset).toString(16)}`
      const block = (await stage.rpc('eth_getBlockByNumber', [number, false])) as { transactions: string[] }
      for (const hash of block.transactions) {
        const raw = (await oldestBid(hash)) ?? (await stage.rpc('eth_getRawTransactionByHash', [hash]))
        if (typeof raw === 'string') kept.push([raw, 0])
      }
    }
    try {
      // So that even what was outbid by a spike fits into the block.
      if (kept.length > 0) await stage.rpc('anvil_setNextBlockBaseFeePerGas', ['0x1'])
      await stage.rpc('anvil_reorg', [depth, kept])
      return true
    } catch (error) {
      note(`no reorg: ${(error as Error).message}`)
      return false
    }
  }

  /** The first attempt on the nonce of a mined one: it may win although it was outbid. */
  async function oldestBid(hash: string): Promise<string | null> {
    try {
      const { rows } = await stage.database.pool.query<{ raw: Buffer }>(
        `select old.raw from attempt mined join attempt old using (chain_id, address, nonce)
         where mined.hash = $1 order by old.id limit 1`,
        [Buffer.from(hash.slice(2), 'hex')],
      )
      return rows[0] === undefined ? null : `0x${rows[0].raw.toString('hex')}`
    } catch {
      // The database may be away right now, as planned.
      return null
    }
  }

  async function dropTransaction(): Promise<boolean> {
    for (const hash of await waitingTransactions()) {
      if ((await stage.rpc('anvil_dropTransaction', [hash])) !== null) return true
    }
    return false
  }

  /** Hashes in the pool, as soon as there are any; none after three seconds. */
  async function waitingTransactions(): Promise<string[]> {
    const deadline = performance.now() + 3_000
    while (performance.now() < deadline) {
      const pool = (await stage.rpc('txpool_content')) as {
        pending: Record<string, Record<string, { hash: string }>>
      }
      const hashes = Object.values(pool.pending).flatMap((of) => Object.values(of).map(({ hash }) => hash))
      if (hashes.length > 0) return hashes
      await pause(50)
    }
    return []
  }

  return {
    counts,
    async run(events, seconds) {
      const startedAt = performance.now()
      endsAt = startedAt + seconds * 1_000
      const underWay: Promise<unknown>[] = []
      const failures: unknown[] = []
      for (const event of events) {
        await pause(event.atMs - (performance.now() - startedAt))
        note(`${(event.atMs / 1000).toFixed(1)} s ${JSON.stringify(event)}`)
        underWay.push(strike(event).catch((error: unknown) => failures.push(error)))
      }
      await Promise.all(underWay)
      if (failures.length > 0) throw new AggregateError(failures, 'the chaos itself failed')
    },
    async calm() {
      await rpcFaults.stop()
      await stage.setMining(true)
    },
  }
}
