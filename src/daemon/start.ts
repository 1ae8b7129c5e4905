/**
 * Wires the steps together: intake → seal → anchor → prove, with HTTP in front. The one place, beside the command
 * line, that sees every room. What is started here is undone in reverse by `close`.
 */
import { type Anchorer, createAnchorer } from '../anchor/anchorer.ts'
import { createSigner } from '../anchor/signers/open.ts'
import type { Config } from '../config/schema.ts'
import { readSigner } from '../config/secrets.ts'
import { faultAt } from '../core/fault-point.ts'
import { toHex } from '../core/hash.ts'
import { type Logger, systemClock } from '../core/ports.ts'
import { createServer } from '../http/server.ts'
import { createIntakeQueue } from '../ingest/intake-queue.ts'
import { anchorTree } from '../merkle/anchor-tree.ts'
import { openFileLimit } from '../ops/file-limit.ts'
import type { PrometheusMetrics } from '../ops/metrics.ts'
import { createShutdown } from '../ops/shutdown.ts'
import { scheduleTick, type Tick } from '../ops/tick.ts'
import { createProver } from '../prove/prover.ts'
import { startSealer } from '../seal/sealer.ts'
import {
  findAnchorsByRoot,
  listAnchors,
  listBatches,
  readAnchor,
  readBatch,
} from '../store/chain/read-lists.ts'
import { type DatabaseOptions, openDatabase } from '../store/connection/database.ts'
import { requireMigrated } from '../store/connection/migrate.ts'
import { readServerClock } from '../store/connection/server-facts.ts'
import { probeIntake } from '../store/intake/commit-probe.ts'
import { createIntakeAppender, type IntakeChunk } from '../store/intake/intake.ts'
import { findByKeyHash } from '../store/intake/sources.ts'
import { readTile } from '../store/sealed/read-tiles.ts'
import { createOwnVerifier } from '../verify/own-anchors.ts'
import { startClocks } from './clocks.ts'
import { createDeadlines, startChains } from './deadlines.ts'
import { createEventFeed, createOwnership, eventOf } from './event-feed.ts'
import { registerGauges } from './gauges.ts'
import { createHealth } from './health.ts'
import { createIngestHealth } from './ingest-health.ts'
import { createStatus } from './status.ts'
import { VERSION } from './version.ts'

export type Daemon = {
  /** Where it listens. */
  url: string
  /** Anchors now on every chain, as its cron tick would; rejects when one could not. */
  tick(): Promise<void>
  /** Stops taking requests, commits what was accepted, finishes the batch and the pass under way. False when that took too long. */
  close(): Promise<boolean>
}

type DatabaseManner = Pick<DatabaseOptions, 'statementTimeoutMs' | 'abandonedAfterMs' | 'plansOnce'>

/** One chain's anchoring and its schedule. */
type ScheduledChain = { anchorer: Anchorer; tick: Tick }

/** Connections for nothing but to look up API keys that are not in memory, so that slow reads hold up no push. */
const KEY_POOL_SIZE = 2
/** Longest that a tick waits for what is not sealed yet; the rest joins the next anchor. */
const SEAL_BEFORE_TICK_MS = 3_000
const SHUTDOWN_DEADLINE_MS = 25_000

/**
 * Starts the daemon against a migrated database. Resolves when it listens; chains and even the database may go away
 * and come back afterwards.
 * @throws HoldfastError INVALID_CONFIG (schema older than this version, unreadable key), WRONG_CHAIN
 */
export async function startDaemon(options: {
  config: Config
  /** Where signing keys are looked up. */
  env: Readonly<Record<string, string | undefined>>
  logger: Logger
  metrics: PrometheusMetrics
  /** Distinct for every process: names it in leases. */
  owner: string
  /** See {@link faultAt}. */
  faultPoint?: string | undefined
}): Promise<Daemon> {
  const { config, env, logger, metrics, owner } = options
  const clock = systemClock
  const undo = createShutdown({ logger, deadlineMs: SHUTDOWN_DEADLINE_MS })
  const faultPoint = faultAt(options.faultPoint)
  try {
    const open = (name: string, poolSize: number, manner: DatabaseManner = {}) => {
      const { url } = config.database
      const database = openDatabase({ url, poolSize, name: `holdfast-${name}`, logger, ...manner })
      undo.defer(`${name} connections`, database.close)
      return database
    }
    const { statementTimeoutMs } = config.database
    const writes = open('ingest', config.ingest.commitsInFlight, { statementTimeoutMs })
    const reads = open('read', config.database.readPoolSize, { statementTimeoutMs, plansOnce: true })
    const keys = open('keys', KEY_POOL_SIZE, { statementTimeoutMs })
    const anchoring = open('anchor', config.database.poolSize, { abandonedAfterMs: config.lease.ttlMs })
    await requireMigrated(reads)
    const clocks = await startClocks({
      database: {
        name: 'database',
        title: 'the database',
        read: () => readServerClock(reads.pool),
        isNewestBlock: false,
      },
      clock,
      logger,
      metrics,
    })
    undo.defer('clocks', clocks.close)

    const events = createEventFeed(logger)
    const ingestHealth = createIngestHealth({ probe: (bytes) => probeIntake(writes.pool, bytes), logger })
    const append = createIntakeAppender(writes.pool)
    const intake = createIntakeQueue({
      append: (chunks) => ingestHealth.watch(bytesOf(chunks), () => append(chunks)),
      limits: config.ingest,
      metrics,
    })
    undo.defer('intake', intake.close)

    const sealer = startSealer({
      workerUrl: new URL('../seal/worker.js', import.meta.url),
      databaseUrl: config.database.url,
      owner,
      options: { ...config.seal, leaseTtlMs: config.lease.ttlMs },
      logger,
      metrics,
      onSealed: ({ batchId, leafCount, root }) =>
        events.publish({
          type: 'sealed',
          batchId: String(batchId),
          leafCount,
          root: toHex(root),
        }),
      faultPoint: options.faultPoint,
    })
    undo.defer('sealer', sealer.close)

    registerGauges({ metrics, version: VERSION, pool: reads.pool, logger })
    const chains: ScheduledChain[] = []
    const deadlines = createDeadlines(await startChains(anchoring.pool, config.chains, logger))
    for (const [i, chain] of config.chains.entries()) {
      const anchorer = createAnchorer({
        chain,
        pool: anchoring.pool,
        signer: await createSigner(readSigner(chain.signer, env)),
        anchorTree,
        sealPending: async () => void (await sealer.flush(SEAL_BEFORE_TICK_MS)),
        anchorByOf: deadlines.of(i),
        clock: clocks.databaseClock,
        logger,
        metrics,
        owner,
        leaseTtlMs: config.lease.ttlMs,
        onEvent: (event) => {
          const told = eventOf(event)
          if (told !== null) events.publish(told)
        },
        ...(faultPoint ? { faultPoint } : {}),
      })
      undo.defer(`anchoring on chain ${chain.chainId}`, anchorer.close)
      await anchorer.start()
      clocks.watch({
        name: `eip155:${chain.chainId}`,
        title: `the newest block of chain ${chain.chainId}`,
        read: anchorer.newestBlockMs,
        isNewestBlock: true,
      })
      const tick = scheduleTick({
        name: `anchor:${chain.chainId}`,
        cron: chain.cron,
        run: anchorer.tick,
        clock,
        logger,
        metrics,
      })
      undo.defer(`tick of chain ${chain.chainId}`, tick.close)
      chains.push({ anchorer, tick })
    }

    const verifier = createOwnVerifier({
      findAnchors: (roots) => findAnchorsByRoot(reads.db, roots),
      rpcUrls: (chainId) => config.chains.find((chain) => chain.chainId === chainId)?.rpcUrls,
      now: () => performance.now(),
    })
    undo.defer('verifier', async () => verifier.close())
    const server = await createServer({
      settings: {
        ...config.http,
        ...config.auth,
        maxConnections: config.http.maxConnections ?? connectionsLeft(config),
      },
      intake,
      prover: createProver({
        pool: reads.pool,
        anchorBy: deadlines.earliest,
        pendingReason: () =>
          chains.map(({ anchorer }) => anchorer.status().reason).find((reason) => reason) ?? null,
      }),
      verify: verifier.verify,
      anchorBy: deadlines.earliest,
      lists: {
        batches: (page) => listBatches(reads.db, page),
        batch: (id) => readBatch(reads.db, id),
        tile: (batchId, level, index) => readTile(reads.pool, { batchId, level, index }),
        anchors: (page) => listAnchors(reads.db, page),
        anchor: (id) => readAnchor(reads.db, id),
      },
      findSource: (keyHash) => findByKeyHash(keys.db, keyHash),
      status: createStatus({ database: reads, chains, intake }),
      events,
      eventConcerns: createOwnership(reads.pool),
      health: createHealth({
        database: reads,
        checkIngest: ingestHealth.check,
        chains,
        clocks: clocks.health,
        logger,
        sealMaxAgeMs: config.seal.maxAgeMs,
      }),
      metricsPage: metrics,
      logger,
      metrics,
      clock,
    })
    undo.defer('http', server.close)
    // First, and beside the rest: nobody waits for a batch, and intake keeps what comes meanwhile.
    undo.defer('start of batches and ticks', () => {
      for (const { tick } of chains) void tick.close()
      void sealer.close()
    })
    const url = await server.listen()
    logger.info({ url }, 'listening')

    return {
      url,
      tick: async () => void (await Promise.all(chains.map(({ tick }) => tick.trigger()))),
      close: () => undo.run('close'),
    }
  } catch (error) {
    await undo.run('failed to start')
    throw error
  }
}

/** Files, sockets of RPC endpoints, the sealing thread, and connections that are kept for probes. */
const OTHER_FILES = 128
/** Where the limit is very low, HTTP gets a quarter of it all the same. */
const LEAST_SHARE = 0.25

/** HTTP connections that the file-descriptor limit allows beside everything else. */
function connectionsLeft({ ingest, database, chains }: Config): number {
  const limit = openFileLimit()
  const pools = ingest.commitsInFlight + database.readPoolSize + KEY_POOL_SIZE + database.poolSize
  const others = OTHER_FILES + pools + chains.length * 16
  return Math.max(Math.floor(limit * LEAST_SHARE), limit - others)
}

function bytesOf(chunks: readonly IntakeChunk[]): number {
  return chunks.reduce((sum, { hashes }) => sum + hashes.length, 0)
}
