/** Everything a benchmark needs around the product: a durable PostgreSQL, a chain, and daemons in processes of their own. */
import { type ChildProcess, fork } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { deployEverywhere } from '../src/cli/deploy.ts'
import { parseConfig } from '../src/config/load.ts'
import { startAnvil } from '../src/dev/anvil.ts'
import { startPostgres } from '../src/dev/postgres.ts'
import { createLogger } from '../src/ops/logger.ts'
import { openDatabase, type Pool } from '../src/store/connection/database.ts'
import { migrateToLatest } from '../src/store/connection/migrate.ts'
import { createSource } from '../src/store/intake/sources.ts'
import { note } from './figure.ts'

/** anvil's first account: a published key, with money on development chains only. */
const CHAIN_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'

/** How the `holdfast` command, `npm start` and the image run Node. */
const AS_SHIPPED = ['--max-semi-space-size=64']

/** What the server's defaults are too small for when gigabytes are written in a minute; durability stays whole. */
const POSTGRES_SETTINGS = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '512MB',
  max_wal_size: '24GB',
  min_wal_size: '24GB',
}

/** Of a write-ahead log segment, PostgreSQL's default. */
const SEGMENT_BYTES = 16 * 2 ** 20

/** Sections of the configuration that differ from the defaults. */
export type DaemonSettings = {
  ingest?: object
  seal?: object
  mode?: 'storage' | 'event'
  poolSize?: number
  /** How often it looks at what is not final; often where mining is waited for. */
  pollIntervalMs?: number
}

export type RunningDaemon = {
  url: string
  pid: number
  /** Seals what waits and anchors it, as a cron tick would. Resolves when the transaction is sent. */
  tick(): Promise<void>
  /** Largest resident memory so far, in bytes (VmHWM). */
  peakMemory(): number
  close(): Promise<void>
}

export type Stage = {
  databaseUrl: string
  rpcUrl: string
  pool: Pool
  apiKey: string
  sourceId: number
  addSource(name: string): Promise<{ apiKey: string; sourceId: number }>
  startDaemon(settings?: DaemonSettings): Promise<RunningDaemon>
  /** Starts bench/peers/<name>.ts, which tells its URL once it listens. */
  startPeer(
    name: string,
  ): Promise<{ url: string; pid: number; ask(what: string): Promise<unknown>; close(): Promise<void> }>
  close(): Promise<void>
}

const openStages = new Set<() => Promise<void>>()

/** Closes every stage still open: a benchmark that is told to end leaves no server behind. */
export async function closeStages(): Promise<void> {
  await Promise.all([...openStages].map((close) => close()))
}

/**
 * An empty database, migrated, and an automining chain with the registry on it.
 * @param walBytes of write-ahead log that exists before the benchmark begins, as on a server that has run for a while: a
 *   young one makes every new segment in the middle of a commit, of zeros and with a flush of their own
 */
export async function openStage({ walBytes = 2 ** 30 } = {}): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  chmodSync(folder, 0o755)
  const releasers: (() => Promise<unknown>)[] = []
  const close = async () => {
    openStages.delete(close)
    for (const release of releasers.splice(0).reverse()) await release()
    rmSync(folder, { recursive: true, force: true })
  }
  openStages.add(close)
  try {
    const postgres = await startPostgres({
      dataDir: join(folder, 'postgres'),
      persistent: true,
      settings: POSTGRES_SETTINGS,
    })
    releasers.push(async () => {
      await postgres.stop()
      rmSync(postgres.dataDir, { recursive: true, force: true })
    })
    const anvil = await startAnvil({ stateFile: join(folder, 'chain.json') })
    releasers.push(anvil.stop)
    await migrateToLatest(postgres.url)
    const database = openDatabase({ url: postgres.url, poolSize: 10, name: 'bench' })
    releasers.push(database.close)
    await growWal(database.pool, walBytes)

    const configOf = ({
      ingest = {},
      seal = {},
      mode = 'storage',
      poolSize = 10,
      pollIntervalMs = 250,
    }: DaemonSettings) => ({
      http: { port: 0 },
      database: { url: postgres.url, readPoolSize: poolSize },
      ingest,
      seal,
      chains: [
        {
          chainId: 31337,
          rpcUrls: [anvil.url],
          mode,
          cron: '0 4 * * *',
          anchorWithinMs: 30_000,
          pollIntervalMs,
          signer: { type: 'privateKey', env: 'BENCH_KEY' },
        },
      ],
    })
    const env = { BENCH_KEY: CHAIN_KEY }
    const quiet = createLogger({ level: 'error', pretty: false, secrets: [] })
    await deployEverywhere(parseConfig(configOf({}), env), env, quiet)
    const addSource = async (name: string) => {
      const { source, key } = await createSource(database.db, { name, scopes: ['admin'] })
      return { apiKey: key, sourceId: source.id }
    }

    return {
      databaseUrl: postgres.url,
      rpcUrl: anvil.url,
      pool: database.pool,
      ...(await addSource('bench')),
      addSource,
      async startDaemon(settings = {}) {
        const profile = process.env.BENCH_CPU_PROFILE
        const child = fork(fileURLToPath(new URL('daemon.mjs', import.meta.url)), {
          env: { ...process.env, ...env, BENCH_CONFIG: JSON.stringify(configOf(settings)) },
          execArgv: [...AS_SHIPPED, ...(profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : [])],
        })
        return daemonOf(child, await readiness(child, 'the daemon'), releasers)
      },
      async startPeer(name) {
        const child = fork(fileURLToPath(new URL(`peers/${name}.ts`, import.meta.url)), {
          env: { ...process.env, DATABASE_URL: postgres.url },
          execArgv: ['--import', new URL('../test/support/typescript-loader.mjs', import.meta.url).href],
        })
        const { url } = await readiness(child, name)
        const end = ending(child, releasers)
        return { url, pid: child.pid!, ask: questions(child), close: end }
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Fills segments to their end without content; after a checkpoint they are there to be used again. */
async function growWal(pool: Pool, bytes: number): Promise<void> {
  for (let segment = 0; segment < bytes / SEGMENT_BYTES; segment++) {
    await pool.query("select pg_logical_emit_message(false, 'bench', ''), pg_switch_wal()")
  }
  await pool.query('checkpoint')
}

function daemonOf(
  child: ChildProcess,
  { url }: { url: string },
  releasers: (() => Promise<unknown>)[],
): RunningDaemon {
  const ask = questions(child)
  return {
    url,
    pid: child.pid!,
    tick: async () => void (await ask('tick')),
    peakMemory() {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) * 1024
    },
    close: ending(child, releasers),
  }
}

function readiness(child: ChildProcess, what: string): Promise<{ url: string }> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as { url: string }))
    child.once('exit', (code) => reject(new Error(`${what} ended with ${code}`)))
    child.once('error', reject)
  })
}

/** Asks the child by message; it answers {type: 'ticked', id, error?, …}. */
function questions(child: ChildProcess): (type: string) => Promise<unknown> {
  let last = 0
  const open = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>()
  child.on('message', (message) => {
    const { id, error } = message as { id: number; error?: string }
    const question = open.get(id)
    open.delete(id)
    if (error === undefined) question?.resolve(message)
    else question?.reject(new Error(error))
  })
  return (type) =>
    new Promise((resolve, reject) => {
      const id = ++last
      open.set(id, { resolve, reject })
      child.send({ type, id })
    })
}

/** Ends the child, once, by its own way out; by force after 30 seconds. */
function ending(child: ChildProcess, releasers: (() => Promise<unknown>)[]): () => Promise<void> {
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    if (child.connected) child.send({ type: 'close' })
    const late = setTimeout(() => child.kill('SIGKILL'), 30_000)
    await exited
    clearTimeout(late)
  }
  releasers.push(end)
  return end
}

/** Asks again and again, without a pause shorter than `everyMs`, until the answer is yes. */
export async function untilTrue(
  what: string,
  ask: () => Promise<boolean>,
  { everyMs = 20, withinMs = 300_000 } = {},
): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await ask())) {
    if (performance.now() > deadline) throw new Error(`waited ${withinMs / 1000} s in vain for ${what}`)
    await pause(everyMs)
  }
}

/** Waits until no hash waits to be sealed. */
export function untilSealed(pool: Pool, withinMs = 300_000): Promise<void> {
  const ask = async () => (await pool.query('select 1 from intake limit 1')).rowCount === 0
  return untilTrue('everything to be sealed', ask, { withinMs })
}

/** One-minute load average of the machine, for the reader. */
export function noteLoad(): void {
  const average = readFileSync('/proc/loadavg', 'utf8').split(' ')[0]
  note(`  load average ${average}`)
}
