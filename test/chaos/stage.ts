import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Transaction } from 'ethers'
import {
  REGISTRY_ADDRESS,
  REGISTRY_BYTECODE,
  REGISTRY_DEPLOYER,
  REGISTRY_SALT,
} from '../../src/anchor/contract/registry.generated.ts'
import { startAnvil } from '../../src/dev/anvil.ts'
import { findFreePort } from '../../src/dev/ports.ts'
import { callRpc } from '../../src/dev/rpc.ts'
import { type Database, openDatabase, type Pool } from '../../src/store/connection/database.ts'
import { migrateToLatest } from '../../src/store/connection/migrate.ts'
import { createSource } from '../../src/store/intake/sources.ts'
import { type FaultProxy, type RpcRequest, startFaultProxy } from '../anchor/support/fault-proxy.ts'
import { DEV_ACCOUNTS } from '../support/anvil.ts'
import { until } from '../support/wait.ts'
import { type DatabaseFaults, startChaosDatabase } from './database.ts'
import { type Replica, startReplica } from './replica.ts'
import { watchLeasedWrites } from './stale-writes.ts'

const CHAIN_ID = 31337
export const PUBLISHER = DEV_ACCOUNTS[0]
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const BLOCK_SECONDS = 1
const LEASE_MS = 2_000

/** PostgreSQL that waits for its disk, the way to it, a chain with a block a second, two endpoints before it, two daemons. */
export type ChaosStage = {
  folder: string
  apiKey: string
  proxies: readonly FaultProxy[]
  replicas: readonly Replica[]
  /** The honest endpoint. */
  rpcUrl: string
  rpc(method: string, params?: readonly unknown[]): Promise<unknown>
  database: Database
  /** Hashes of transactions that left a daemon before they were stored, which invariant 3 forbids. */
  unstored: ReadonlySet<string>
  databaseFaults: DatabaseFaults
  canFillDisk: boolean
  /** Whether the chain makes blocks. */
  setMining(on: boolean): Promise<void>
  /** Index of the replica that holds the lease, or null. */
  holderOf(lease: 'seal' | 'anchor'): Promise<0 | 1 | null>
  /** Ends everything that was started, daemons `atOnce` or as a supervisor would; deletes the logs unless `keep`. */
  close(how: { keep: boolean; atOnce: boolean }): Promise<void>
}

type Close = ChaosStage['close']
type Undo = (atOnce: boolean) => Promise<unknown>

export async function createChaosStage(): Promise<ChaosStage> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-chaos-'))
  chmodSync(folder, 0o755)
  const undo: Undo[] = []
  const close: Close = async ({ keep, atOnce }) => {
    for (const step of undo.splice(0).reverse()) await step(atOnce)
    if (!keep) rmSync(folder, { recursive: true, force: true })
  }
  try {
    return await build(folder, undo, close)
  } catch (error) {
    await close({ keep: false, atOnce: true })
    throw error
  }
}

async function build(folder: string, undo: Undo[], close: Close): Promise<ChaosStage> {
  const postgres = await startChaosDatabase(join(folder, 'postgres'))
  undo.push(postgres.stop)
  const anvil = await startAnvil({ chainId: CHAIN_ID, args: ['--block-time', String(BLOCK_SECONDS)] })
  undo.push(anvil.stop)
  const rpc = (method: string, params: readonly unknown[] = []) => callRpc(anvil.url, method, params)
  await deployRegistry(rpc)

  await migrateToLatest(postgres.url)
  const database = openDatabase({ url: postgres.url, poolSize: 3, name: 'chaos' })
  undo.push(database.close)
  const { key: apiKey } = await createSource(database.db, { name: 'chaos', scopes: ['ingest', 'audit'] })
  const proxies = [await startFaultProxy(anvil.url), await startFaultProxy(anvil.url)]
  const unstored = new Set<string>()
  for (const proxy of proxies) {
    proxy.before = (request) => noteUnstored(database.pool, request, unstored)
    undo.push(proxy.close)
  }

  const databaseUrls = await watchLeasedWrites(database.pool, postgres.proxy.url, {
    replicas: 2,
    chainId: CHAIN_ID,
  })
  const replicas: Replica[] = []
  for (const [index, databaseUrl] of databaseUrls.entries()) {
    const port = await findFreePort()
    const configFile = join(folder, `replica-${index}.json`)
    writeFileSync(configFile, JSON.stringify(configOf({ port, databaseUrl, proxies })))
    const replica = startReplica({
      main: MAIN,
      port,
      logFile: join(folder, `replica-${index}.log`),
      env: { HOLDFAST_CONFIG: configFile, CHAOS_KEY: PUBLISHER.privateKey },
      databaseWasAway: postgres.wasAway,
    })
    undo.push(replica.close)
    replicas.push(replica)
  }
  for (const replica of replicas) {
    if (!(await replica.serving(20_000)))
      throw new Error(`a replica did not start: ${replica.crashes.join('\n')}`)
  }

  return {
    folder,
    apiKey,
    proxies,
    replicas,
    rpcUrl: anvil.url,
    rpc,
    database,
    unstored,
    databaseFaults: postgres,
    canFillDisk: postgres.canFillDisk,
    setMining: async (on) => void (await rpc('evm_setIntervalMining', [on ? BLOCK_SECONDS : 0])),
    async holderOf(lease) {
      const name = lease === 'seal' ? 'seal' : `anchor:${CHAIN_ID}`
      try {
        const { rows } = await database.pool.query<{ owner: string }>(
          'select owner from lease where name = $1 and until >= clock_timestamp()',
          [name],
        )
        const pid = Number(rows[0]?.owner.split('/')[1])
        const index = replicas.findIndex((replica) => replica.pid() === pid)
        return index === 0 || index === 1 ? index : null
      } catch {
        // The database may be away right now, as planned.
        return null
      }
    },
    close,
  }
}

function configOf(place: { port: number; databaseUrl: string; proxies: readonly FaultProxy[] }): object {
  return {
    http: { port: place.port },
    database: { url: place.databaseUrl, poolSize: 6, readPoolSize: 4 },
    seal: { maxAgeMs: 300 },
    lease: { ttlMs: LEASE_MS },
    chains: [
      {
        chainId: CHAIN_ID,
        rpcUrls: place.proxies.map((proxy) => proxy.url),
        cron: '*/2 * * * * *',
        anchorWithinMs: 10_000,
        pollIntervalMs: 250,
        resendAfterMs: 2_000,
        fees: { maxFeePerGasGwei: 200, minTipGwei: 0.01, maxTipGwei: 50, bumpAfterMs: 1_500 },
        signer: { type: 'privateKey', env: 'CHAOS_KEY' },
      },
    ],
    log: { level: 'info', pretty: false },
  }
}

/** From another account than the publisher, whose transactions are counted. */
async function deployRegistry(rpc: ChaosStage['rpc']): Promise<void> {
  const data = `${REGISTRY_SALT}${REGISTRY_BYTECODE.slice(2)}`
  const from = DEV_ACCOUNTS[3].address
  await rpc('eth_sendTransaction', [{ from, to: REGISTRY_DEPLOYER, data, gas: '0x2dc6c0' }])
  await until(async () => ((await rpc('eth_getCode', [REGISTRY_ADDRESS, 'latest'])) as string).length > 2, {
    what: 'the registry',
    every: 50,
  })
}

/** Looks at the moment of sending: a little later, what was wrongly sent first would be stored as well. */
async function noteUnstored(
  pool: Pool,
  { method, params }: RpcRequest,
  unstored: Set<string>,
): Promise<void> {
  if (method !== 'eth_sendRawTransaction') return
  const hash = Transaction.from(String(params[0])).hash!
  try {
    const { rowCount } = await pool.query('select 1 from attempt where hash = $1', [
      Buffer.from(hash.slice(2), 'hex'),
    ])
    if (rowCount === 0) unstored.add(hash)
  } catch {
    // The database may be away right now, as planned; the tally looks again.
  }
}
