/**
 * `npm run demo`: in, an empty machine with Node. Out, the whole story once (see story.ts) on a PostgreSQL, a
 * chain and a daemon of its own, all gone afterwards. Exit status 0 only if every record's receipt held on the chain
 * and the altered one did not.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { REGISTRY_ADDRESS } from '../../dist/anchor/contract/registry.generated.js'
import { privateKeySigner } from '../../dist/anchor/signers/signer.js'
import { deployEverywhere } from '../../dist/cli/deploy.js'
import { leaseOwner } from '../../dist/cli/owner.js'
import { reportError } from '../../dist/cli/report-error.js'
import { parseConfig } from '../../dist/config/load.js'
import { startDaemon } from '../../dist/daemon/start.js'
import { startAnvil } from '../../dist/dev/anvil.js'
import { findFreePort } from '../../dist/dev/ports.js'
import { startPostgres } from '../../dist/dev/postgres.js'
import { createLogger } from '../../dist/ops/logger.js'
import { createMetrics } from '../../dist/ops/metrics.js'
import { createShutdown } from '../../dist/ops/shutdown.js'
import { openDatabase } from '../../dist/store/connection/database.js'
import { migrateToLatest } from '../../dist/store/connection/migrate.js'
import { createSource } from '../../dist/store/intake/sources.js'
import { playStory, readFilms, type StoryResult } from './story.ts'

/** anvil's first account: a published key, with money on development chains only. */
const DEMO_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const CHAIN_ID = 31337
const TICK_EVERY_S = 5
const FAULTS_SHOWN = 10

const logger = createLogger({ level: 'warn', pretty: 'auto', secrets: [DEMO_KEY] })
/** Also what an interrupted demo exits with, however cleanly it stopped: it has not shown what it is for. */
const INTERRUPTED = 130
let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interrupted = true
  })
}
const shutdown = createShutdown({ logger, deadlineMs: 60_000, exit: () => process.exit(INTERRUPTED) })
shutdown.onSignals()
let status = 1
try {
  const result = await demo()
  console.log(table(result))
  for (const fault of result.faults.slice(0, FAULTS_SHOWN)) console.error(`FAULT: ${fault}`)
  if (result.faults.length > FAULTS_SHOWN) console.error(`… and ${result.faults.length - FAULTS_SHOWN} more`)
  status = result.faults.length === 0 && result.verified === result.rows ? 0 : 1
} catch (error) {
  status = interrupted ? INTERRUPTED : reportError(error)
}
const clean = await shutdown.run('the demo is over')
process.exit(clean ? status : 1)

async function demo(): Promise<StoryResult> {
  const say = (line: string) => console.log(`… ${line}`)
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-demo-'))
  shutdown.defer('folder', () => rmSync(folder, { recursive: true, force: true }))
  // PostgreSQL's user must get through; what is inside is closed to others by itself.
  chmodSync(folder, 0o755)

  say('starting PostgreSQL, a chain and the daemon')
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), persistent: false, logger })
  shutdown.defer('PostgreSQL', postgres.stop)
  const anvil = await startAnvil({ chainId: CHAIN_ID, blockEveryMs: 1_000, logger })
  shutdown.defer('chain', anvil.stop)
  await migrateToLatest(postgres.url)

  const env = { HOLDFAST_DEMO_KEY: DEMO_KEY }
  const config = parseConfig(
    {
      http: { port: await findFreePort() },
      database: { url: postgres.url },
      chains: [
        {
          chainId: CHAIN_ID,
          rpcUrls: [anvil.url],
          cron: `*/${TICK_EVERY_S} * * * * *`,
          anchorWithinMs: 30_000,
          pollIntervalMs: 500,
          signer: { type: 'privateKey', env: 'HOLDFAST_DEMO_KEY' },
        },
      ],
    },
    env,
  )
  await deployEverywhere(config, env, logger)
  const daemon = await startDaemon({
    config,
    env,
    logger,
    metrics: createMetrics({ processMetrics: false }),
    owner: leaseOwner(),
  })
  shutdown.defer('daemon', daemon.close)

  const rows = readFilms()
  say(`taking ${rows.length} films from vega-datasets; the daemon ticks every ${TICK_EVERY_S} s`)
  return await playStory({
    rows,
    url: daemon.url,
    apiKey: await producerKey(postgres.url),
    rpcUrl: anvil.url,
    chainId: CHAIN_ID,
    expect: { publisher: privateKeySigner(DEMO_KEY).address, registry: REGISTRY_ADDRESS },
    say,
  })
}

async function producerKey(databaseUrl: string): Promise<string> {
  const database = openDatabase({ url: databaseUrl, poolSize: 1, name: 'holdfast-demo' })
  try {
    return (await createSource(database.db, { name: 'demo', scopes: ['ingest'] })).key
  } finally {
    await database.close()
  }
}

function table(result: StoryResult): string {
  const { rows, receipts, verified, batches, anchors, altered, seconds } = result
  const gas = anchors.reduce((sum, { gasUsed }) => sum + gasUsed, 0)
  const number = (value: number, digits = 0) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  const lines: [string, string][] = [
    ['records pushed', `${number(rows)} in ${number(seconds.push, 2)} s`],
    ['batches → anchors', `${number(batches)} → ${number(anchors.length)}`],
    ['on the chain after', `${number(seconds.anchored, 2)} s`],
    ['receipts fetched', `${number(receipts)} in ${number(seconds.fetch, 2)} s`],
    ['verified on the chain', `${number(verified)} in ${number(seconds.verify, 2)} s`],
    ['gas per anchor', number(gas / Math.max(1, anchors.length))],
    ['gas per record', number(gas / Math.max(1, rows), 2)],
    ['altered', `${altered.field}: ${altered.from} → ${altered.to}`],
    ['its verification', altered.detail],
  ]
  const width = Math.max(...lines.map(([name]) => name.length))
  return `\n${lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')}\n`
}
