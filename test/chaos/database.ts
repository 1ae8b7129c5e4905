import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { type Postgres, startPostgres } from '../../src/dev/postgres.ts'
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.ts'
import { mountSmallDisk, type SmallDisk } from '../support/small-disk.ts'
import { createQueue, type Patience } from './patience.ts'

/** What befalls the database. Faults of the server come one at a time. */
export type DatabaseFaults = {
  /** As by a crash of the server: no checkpoint, recovery at the next start. */
  crash(downMs: number): Promise<void>
  /** No byte is free under the tables, for a while and until a statement failed for it. True when one did. */
  fillDisk(forMs: number, patience: Patience): Promise<boolean>
  /** Cuts connections between a commit and its answer. True when all of them were. */
  loseCommitAnswers(application: string, count: number, patience: Patience): Promise<boolean>
  /** From now on no answer is lost. */
  calm(): void
}

export type ChaosDatabase = DatabaseFaults & {
  /** The server itself. */
  url: string
  /** The way of the daemons, where answers are lost. */
  proxy: DatabaseProxy
  /** Whether there is a disk that can be filled: this user may have none. */
  canFillDisk: boolean
  /** Whether it was away at any time since then, by `performance.now()`. */
  wasAway(since: number): boolean
  stop(): Promise<void>
}

/** PostgreSQL that waits for its disk, with its tables on a small disk of their own where that can be had. */
export async function startChaosDatabase(dataDir: string): Promise<ChaosDatabase> {
  const server = { dataDir, persistent: false }
  const inTurn = createQueue()
  let running: Postgres = await startPostgres(server)
  let backAt = Number.NEGATIVE_INFINITY
  let stopped = false
  const { url } = running
  const disk = mountSmallDisk()
  if (disk !== null) await moveTo(disk, url)
  const proxy = await startDatabaseProxy(url)
  const statementsWithoutSpace = () =>
    readFileSync(`${dataDir}.log`, 'utf8').split('No space left on device').length - 1

  return {
    url,
    proxy,
    canFillDisk: disk !== null,
    crash: (downMs) =>
      inTurn(async () => {
        if (stopped) return
        const { port, pid, exited } = running
        backAt = Number.POSITIVE_INFINITY
        process.kill(pid, 'SIGQUIT')
        await exited
        await pause(downMs)
        running = await startPostgres({ ...server, port })
        backAt = performance.now()
      }),
    fillDisk: (forMs, patience) =>
      inTurn(async () => {
        if (stopped || disk === null || patience.isOver()) return false
        const before = statementsWithoutSpace()
        disk.fill()
        try {
          await patience.pause(forMs)
          return (await patience.until(() => (statementsWithoutSpace() > before ? true : null))) === true
        } finally {
          disk.grow()
        }
      }),
    async loseCommitAnswers(application, count, patience) {
      let lost = 0
      while (lost < count) {
        const wanted = lost + 1
        void proxy.loseCommitAnswer(application).then(() => {
          lost = wanted
        })
        if ((await patience.until(() => (lost === wanted ? true : null))) === null) return false
      }
      return true
    },
    calm: proxy.loseNothing,
    wasAway: (since) => backAt >= since,
    async stop() {
      stopped = true
      await proxy.close()
      await inTurn(() => running.stop())
      disk?.remove()
    },
  }
}

async function moveTo(disk: SmallDisk, url: string): Promise<void> {
  const name = new URL(url).pathname.slice(1)
  const other = new URL(url)
  other.pathname = '/postgres'
  const client = new pg.Client(other.href)
  await client.connect()
  await client.query(`create tablespace small location '${disk.path}'`)
  await client.query(`alter database ${name} set tablespace small`)
  await client.end()
}
