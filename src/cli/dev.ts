/**
 * `holdfast dev`: in, an empty machine with Node. Out, the whole of Holdfast on 127.0.0.1: real PostgreSQL, a real
 * development chain, the registry, a producer's key and the daemon; kept in one folder from run to run.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseConfig } from '../config/load.ts'
import { HoldfastError } from '../core/errors.ts'
import { toHex } from '../core/hash.ts'
import { recordHash } from '../core/record-hash.ts'
import { startDaemon } from '../daemon/start.ts'
import { startAnvil } from '../dev/anvil.ts'
import { assertPortFree } from '../dev/ports.ts'
import { startPostgres } from '../dev/postgres.ts'
import { createLogger } from '../ops/logger.ts'
import { createMetrics } from '../ops/metrics.ts'
import { createShutdown } from '../ops/shutdown.ts'
import { listAnchors } from '../store/chain/read-lists.ts'
import { openDatabase } from '../store/connection/database.ts'
import { migrateToLatest } from '../store/connection/migrate.ts'
import { createSource, findByKeyHash, hashApiKey } from '../store/intake/sources.ts'
import { deployEverywhere } from './deploy.ts'
import { leaseOwner } from './owner.ts'
import { print } from './terminal.ts'

/** anvil's first account: a published key, with money on development chains only. */
const DEV_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const CHAIN_ID = 31337
const BLOCK_EVERY_MS = 5_000
const SHUTDOWN_DEADLINE_MS = 60_000

export type DevOptions = { port: string; rpcPort: string; postgresPort?: string; state: string }

export async function dev(options: DevOptions): Promise<void> {
  const port = portOf('--port', options.port)
  const rpcPort = portOf('--rpc-port', options.rpcPort)
  const postgresPort =
    options.postgresPort === undefined ? undefined : portOf('--postgres-port', options.postgresPort)
  requireDistinct({ '--port': port, '--rpc-port': rpcPort, '--postgres-port': postgresPort })
  const logger = createLogger({
    level: (process.env.HOLDFAST_LOG_LEVEL as 'info' | undefined) ?? 'info',
    pretty: 'auto',
    secrets: [DEV_KEY],
  })
  const shutdown = createShutdown({ logger, deadlineMs: SHUTDOWN_DEADLINE_MS })
  shutdown.onSignals()
  const ended = (what: string) => (how: string) => {
    void shutdown.run(`${what} ${how}`).then(() => process.exit(1))
  }
  try {
    await assertPortFree(port, 'the API', '--port')
    mkdirSync(options.state, { recursive: true })
    const postgres = await startPostgres({
      dataDir: join(options.state, 'postgres'),
      persistent: true,
      port: postgresPort,
      choosePort: '--postgres-port',
      logger,
    })
    shutdown.defer('PostgreSQL', postgres.stop)
    const anvil = await startAnvil({
      port: rpcPort,
      choosePort: '--rpc-port',
      stateFile: join(options.state, 'chain.json'),
      chainId: CHAIN_ID,
      blockEveryMs: BLOCK_EVERY_MS,
      logger,
    })
    shutdown.defer('chain', anvil.stop)

    await migrateToLatest(postgres.url)
    if (!anvil.resumed) await requireNoAnchors(postgres.url, options.state)
    const env = { HOLDFAST_DEV_KEY: DEV_KEY }
    const config = parseConfig(
      {
        http: { port },
        database: { url: postgres.url },
        // One daemon only: what a killed one held is free again by the time the next is up.
        lease: { ttlMs: 2_000 },
        chains: [
          {
            chainId: CHAIN_ID,
            rpcUrls: [anvil.url],
            cron: '*/10 * * * * *',
            anchorWithinMs: 30_000,
            pollIntervalMs: 1_000,
            signer: { type: 'privateKey', env: 'HOLDFAST_DEV_KEY' },
          },
        ],
      },
      env,
    )
    await deployEverywhere(config, env, logger)
    const apiKey = await devApiKey(postgres.url, join(options.state, 'api-key'))
    const daemon = await startDaemon({
      config,
      env,
      logger,
      metrics: createMetrics({ chains: config.chains.map(({ chainId }) => chainId), processMetrics: true }),
      owner: leaseOwner(),
      faultPoint: process.env.HOLDFAST_FAULT_POINT,
    })
    shutdown.defer('daemon', daemon.close)
    void postgres.exited.then(ended('PostgreSQL'))
    void anvil.exited.then(ended('the chain'))
    print(
      welcome({
        url: daemon.url,
        rpcUrl: anvil.url,
        databaseUrl: postgres.url,
        apiKey,
        state: options.state,
      }),
    )
  } catch (error) {
    await shutdown.run('failed to start')
    throw error
  }
}

function requireDistinct(ports: Record<string, number | undefined>): void {
  const flags = new Map<number, string>()
  for (const [flag, port] of Object.entries(ports)) {
    if (port === undefined) continue
    const other = flags.get(port)
    if (other !== undefined)
      throw new HoldfastError('INVALID_CONFIG', `${other} and ${flag} are both ${port}; they must differ.`)
    flags.set(port, flag)
  }
}

function portOf(flag: string, text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw new HoldfastError(
    'INVALID_CONFIG',
    `${flag} takes a port from 1 to 65535, got ${JSON.stringify(text)}.`,
  )
}

/** A new chain does not know what an older one was told: its receipts would never verify. */
async function requireNoAnchors(databaseUrl: string, state: string): Promise<void> {
  const database = openDatabase({ url: databaseUrl, poolSize: 1, name: 'holdfast-dev' })
  try {
    if ((await listAnchors(database.db, { limit: 1 })).length === 0) return
  } finally {
    await database.close()
  }
  throw new HoldfastError(
    'INVALID_CONFIG',
    `The development chain’s file in ${state} is gone or unreadable, while the database there remembers anchors on it. Delete ${state} to start anew.`,
  )
}

/** The key of the source `dev`, kept in a file that only this user reads; a new one when the database is new. */
async function devApiKey(databaseUrl: string, file: string): Promise<string> {
  const database = openDatabase({ url: databaseUrl, poolSize: 1, name: 'holdfast-dev' })
  try {
    if (existsSync(file)) {
      const key = readFileSync(file, 'utf8').trim()
      if (await findByKeyHash(database.db, hashApiKey(key))) return key
    }
    const name = `dev-${new Date().toISOString()}`
    const { key } = await createSource(database.db, { name, scopes: ['ingest', 'audit', 'admin'] })
    writeFileSync(file, `${key}\n`, { mode: 0o600 })
    chmodSync(file, 0o600)
    return key
  } finally {
    await database.close()
  }
}

const SAMPLE = {
  shipment: 'S-2047',
  product: 'Amoxicillin 500 mg',
  batch: 'AMX-0912',
  quantity: 4800,
  minCelsius: 3.5,
}

function welcome(place: {
  url: string
  rpcUrl: string
  databaseUrl: string
  apiKey: string
  state: string
}): string {
  const { url, apiKey } = place
  const body = JSON.stringify({ record: SAMPLE })
  const hash = toHex(recordHash(SAMPLE))
  const json = `-H 'Content-Type: application/json'`
  return `
Holdfast is up; Ctrl-C stops all of it. State is kept in ${place.state}/

  API       ${url}
  chain     ${place.rpcUrl}   (anvil, chain id ${CHAIN_ID}, a tick every 10 s)
  database  ${place.databaseUrl}

1. Push a record:
curl -s ${url}/v1/records -H 'Authorization: Bearer ${apiKey}' ${json} -d '${body}'

2. Its receipt, once the next tick has anchored it:
curl -s ${url}/v1/records/${hash}/receipt

3. Verify it against the chain:
curl -s ${url}/v1/verify ${json} -d '${body}'
`
}
