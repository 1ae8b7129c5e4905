import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import { type Anchorer, type AnchorerDeps, createAnchorer } from '../../../src/anchor/anchorer.ts'
import type { AnchorEvent } from '../../../src/anchor/context.ts'
import { deployRegistry } from '../../../src/anchor/contract/deploy.ts'
import { createEndpoints } from '../../../src/anchor/rpc/endpoints.ts'
import { privateKeySigner } from '../../../src/anchor/signers/signer.ts'
import type { ChainConfig } from '../../../src/core/chain-config.ts'
import { noMetrics } from '../../../src/core/metrics.ts'
import { systemClock } from '../../../src/core/ports.ts'
import { anchorTree } from '../../../src/merkle/anchor-tree.ts'
import { type Anchor, listAnchors } from '../../../src/store/chain/anchors.ts'
import { type Attempt, attemptsOf } from '../../../src/store/chain/attempts.ts'
import { openDatabase } from '../../../src/store/connection/database.ts'
import { DEV_ACCOUNTS, startTestAnvil, type TestAnvil } from '../../support/anvil.ts'
import { createTestDatabase } from '../../support/database.ts'
import { until } from '../../support/wait.ts'
import { recordingLogger } from './recording-logger.ts'

export const PUBLISHER = DEV_ACCOUNTS[0]

export type Stage = {
  pool: pg.Pool
  databaseUrl: string
  anvil: TestAnvil
  chain: ChainConfig
  events: AnchorEvent[]
  logger: ReturnType<typeof recordingLogger>
  /** Stores sealed batches with these roots, by default random ones; returns the last one's id. */
  seal(count?: number, rootOf?: () => Uint8Array): Promise<number>
  /** A started anchorer; closed with the stage unless closed or killed before. */
  anchorer(overrides?: Partial<AnchorerDeps>): Promise<Anchorer>
  anchors(): Promise<Anchor[]>
  attempts(): Promise<Attempt[]>
  /** Waits until the newest anchor fulfils the condition. */
  untilAnchor(what: string, condition: (anchor: Anchor) => boolean, within?: number): Promise<Anchor>
  /** How often each root was anchored or announced on the chain. */
  rootsOnChain(): Promise<Map<string, number>>
  close(): Promise<void>
}

/** A real database and a real chain of the test's own, with the registry deployed. */
export async function createStage(
  options: {
    anvilArgs?: readonly string[]
    chain?: Partial<ChainConfig>
    deploy?: boolean
    /** Blocks come only when the test mines them. */
    manual?: boolean
  } = {},
): Promise<Stage> {
  const [database, anvil] = await Promise.all([createTestDatabase(), startTestAnvil(options.anvilArgs)])
  const { pool, close: closePool } = openDatabase({ url: database.url, poolSize: 6, name: 'test' })
  const chain: ChainConfig = {
    chainId: 31337,
    rpcUrls: [anvil.url],
    mode: 'storage',
    cron: '* * * * *',
    anchorWithinMs: 60_000,
    pollIntervalMs: 25,
    fees: { maxFeePerGasGwei: 100, minTipGwei: 0.001, maxTipGwei: 20, bumpAfterMs: 60_000 },
    maxGas: 10_000_000,
    resendAfterMs: 60_000,
    ...options.chain,
  }
  const logger = recordingLogger()
  const events: AnchorEvent[] = []
  const started: Anchorer[] = []
  if (options.deploy !== false) await deploy(anvil, chain)
  if (options.manual) await anvil.setAutomine(false)

  let firstIndex = 0
  let nextBatch = 1
  const stage: Stage = {
    pool,
    databaseUrl: database.url,
    anvil,
    chain,
    events,
    logger,
    async seal(count = 1, rootOf = () => randomBytes(32)) {
      for (let i = 0; i < count; i += 1) {
        await pool.query(
          `insert into batch (id, leaf_count, root, first_received_at, last_received_at, first_index)
           values ($1, 10, $2, now(), now(), $3)`,
          [nextBatch, rootOf(), firstIndex],
        )
        nextBatch += 1
        firstIndex += 10
      }
      return nextBatch - 1
    },
    async anchorer(overrides = {}) {
      const anchorer = createAnchorer({
        chain,
        pool,
        signer: privateKeySigner(PUBLISHER.privateKey),
        anchorTree,
        sealPending: async () => {},
        clock: systemClock,
        logger,
        metrics: noMetrics,
        owner: randomBytes(8).toString('hex'),
        onEvent: (event) => events.push(event),
        ...overrides,
      })
      started.push(anchorer)
      await anchorer.start()
      return anchorer
    },
    anchors: async () => (await listAnchors(pool, { limit: 100 })).reverse(),
    attempts: async () =>
      attemptsOf(
        pool,
        (await stage.anchors()).map((anchor) => anchor.id),
      ),
    untilAnchor: (what, condition, within) =>
      until(
        async () => {
          const newest = (await stage.anchors()).at(-1)
          return newest !== undefined && condition(newest) ? newest : null
        },
        { what, ...(within === undefined ? {} : { within }) },
      ),
    async rootsOnChain() {
      const logs = (await anvil.rpc('eth_getLogs', [{ fromBlock: '0x0', toBlock: 'latest' }])) as {
        topics: string[]
      }[]
      const counts = new Map<string, number>()
      for (const log of logs) counts.set(log.topics[2]!, (counts.get(log.topics[2]!) ?? 0) + 1)
      return counts
    },
    async close() {
      await Promise.all(started.map((anchorer) => anchorer.close()))
      await closePool()
      await Promise.all([anvil.stop(), database.drop()])
    },
  }
  return stage
}

async function deploy(anvil: TestAnvil, chain: ChainConfig): Promise<string> {
  const logger = recordingLogger()
  const endpoints = createEndpoints({
    ...chain,
    rpcUrls: [anvil.url],
    timeoutMs: 5_000,
    clock: systemClock,
    logger,
    metrics: noMetrics,
  })
  const { fees, maxGas } = chain
  try {
    // Another account than the publisher: the tests count the publisher's nonces from 0.
    const signer = privateKeySigner(DEV_ACCOUNTS[3].privateKey)
    return (await deployRegistry({ endpoints, chainId: chain.chainId, signer, fees, maxGas })).address
  } finally {
    endpoints.close()
  }
}
