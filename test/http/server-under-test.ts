import { Writable } from 'node:stream'
import type { Clock } from '../../src/core/ports.ts'
import { createEventFeed, createOwnership } from '../../src/daemon/event-feed.ts'
import type { HoldfastEvent, HttpDeps, HttpSettings } from '../../src/http/deps.ts'
import { createServer } from '../../src/http/server.ts'
import { createIntakeQueue, type IntakeLimits } from '../../src/ingest/intake-queue.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { createMetrics } from '../../src/ops/metrics.ts'
import { createProver } from '../../src/prove/prover.ts'
import { sealBatch } from '../../src/seal/seal-batch.ts'
import {
  findAnchorsByRoot,
  listAnchors,
  listBatches,
  readAnchor,
  readBatch,
} from '../../src/store/chain/read-lists.ts'
import { type Database, openDatabase } from '../../src/store/connection/database.ts'
import { acquireLease } from '../../src/store/connection/leases.ts'
import { appendIntake } from '../../src/store/intake/intake.ts'
import { readPending } from '../../src/store/intake/pending.ts'
import { createSource, findByKeyHash, type Scope } from '../../src/store/intake/sources.ts'
import { readTile } from '../../src/store/sealed/read-tiles.ts'
import { createOwnVerifier } from '../../src/verify/own-anchors.ts'
import { createTestDatabase } from '../support/database.ts'
import { startDatabaseProxy } from '../support/database-proxy.ts'
import { until } from '../support/wait.ts'

export const ANCHOR_BY_MS = 600_000

export type ServerUnderTest = {
  url: string
  database: Database
  /** An API key of a fresh source with these scopes. */
  key(...scopes: Scope[]): Promise<string>
  /** A request with the key given, or with one of scope `ingest` and `audit`; null for no key. */
  call(path: string, init?: RequestInit & { key?: string | null; duplex?: 'half' }): Promise<Response>
  /** Hashes in the intake log, in order. */
  stored(): Promise<Buffer[]>
  /** Seals everything pending into one batch. */
  seal(): Promise<{ batchId: number; root: Buffer }>
  /** Lets no commit of ingest get through until they are freed; `waiting` resolves once one has come. */
  holdCommits(): Promise<{ waiting(): Promise<void>; free(): Promise<void> }>
  emit(event: HoldfastEvent): void
  listeners(): number
  /** Cuts every connection to the database and refuses new ones, until it is mended. */
  databaseAway(): void
  databaseBack(): void
  logs(): string
  metrics(): Promise<string>
  close(): Promise<void>
}

/** The real server over the real queue, prover and store, on a database of its own behind a proxy that can be cut. */
export async function startServer(
  options: {
    settings?: Partial<HttpSettings>
    limits?: Partial<IntakeLimits>
    clock?: Clock
    replace?: Partial<HttpDeps>
    /** Of those waiting to be sealed, how many a look-up reads. */
    searchedHashes?: number
  } = {},
): Promise<ServerUnderTest> {
  const server = await createTestDatabase()
  const proxy = await startDatabaseProxy(server.url)
  const lines: string[] = []
  const logger = createLogger({
    level: 'debug',
    pretty: false,
    destination: new Writable({
      decodeStrings: false,
      write(line, _encoding, done) {
        lines.push(String(line))
        done()
      },
    }),
  })
  const direct = openDatabase({ url: server.url, poolSize: 4, name: 'test' })
  const database = openDatabase({ url: proxy.url, poolSize: 4, name: 'http', logger })
  const clock = options.clock ?? { now: () => Date.now() }
  const metrics = createMetrics()
  const events = createEventFeed(logger)
  let listeners = 0
  const intake = createIntakeQueue({
    append: (chunks) => appendIntake(database.pool, chunks),
    limits: {
      maxPendingBytes: 64 * 1024 * 1024,
      maxChunkHashes: 65_536,
      maxCommitBytes: 4 * 1024 * 1024,
      commitsInFlight: 2,
      ...options.limits,
    },
    metrics,
  })
  const anchorBy = (receivedAtMs: number) => receivedAtMs + ANCHOR_BY_MS
  const verifier = createOwnVerifier({
    findAnchors: (roots) => findAnchorsByRoot(database.db, roots),
    rpcUrls: () => undefined,
    now: () => performance.now(),
  })
  const http = await createServer({
    settings: {
      host: '127.0.0.1',
      port: 0,
      bodyLimitBytes: 32 * 1024 * 1024,
      recordLimitBytes: 256 * 1024,
      requestTimeoutMs: 30_000,
      maxConnections: 10_000,
      publicReceipts: true,
      ...options.settings,
    },
    intake,
    prover: createProver({ pool: database.pool, anchorBy, searchedHashes: options.searchedHashes }),
    verify: verifier.verify,
    anchorBy,
    lists: {
      batches: (page) => listBatches(database.db, page),
      batch: (id) => readBatch(database.db, id),
      tile: (batchId, level, index) => readTile(database.pool, { batchId, level, index }),
      anchors: (page) => listAnchors(database.db, page),
      anchor: (id) => readAnchor(database.db, id),
    },
    findSource: (keyHash) => findByKeyHash(database.db, keyHash),
    status: async () => ({ pending: intake.pending() }),
    events: {
      follow(listener, after) {
        const following = events.follow(listener, after)
        listeners++
        return {
          ...following,
          stop() {
            listeners--
            following.stop()
          },
        }
      },
    },
    eventConcerns: createOwnership(database.pool),
    health: {
      ready: async () => {
        await database.pool.query('select 1')
        return [{ name: 'database', ok: true, detail: 'answers' }]
      },
      all: async () => [{ name: 'chain', ok: false, detail: 'no endpoint answers' }],
    },
    metricsPage: metrics,
    logger,
    metrics,
    clock,
    ...options.replace,
  })
  const url = await http.listen()
  let names = 0
  const key = async (...scopes: Scope[]) =>
    (await createSource(direct.db, { name: `source ${names++}`, scopes })).key
  const standardKey = await key('ingest', 'audit')

  return {
    url,
    database: direct,
    key,
    call(path, { key: given = standardKey, ...init } = {}) {
      const headers = new Headers(init.headers)
      if (given !== null) headers.set('authorization', `Bearer ${given}`)
      return fetch(url + path, { ...init, headers })
    },
    async stored() {
      const { rows } = await direct.pool.query<{ hashes: Buffer }>('select hashes from intake order by id')
      return rows.flatMap(({ hashes }) =>
        Array.from({ length: hashes.length / 32 }, (_, i) => hashes.subarray(i * 32, i * 32 + 32)),
      )
    },
    async seal() {
      const lease = (await acquireLease(direct.pool, 'seal', 'test', 60_000))!
      const [reader, writer] = [await direct.pool.connect(), await direct.pool.connect()]
      try {
        return await sealBatch({
          reader,
          writer,
          lease,
          chunks: (await readPending(direct.pool, { limit: 1000 })).chunks,
        })
      } finally {
        reader.release()
        writer.release()
      }
    },
    async holdCommits() {
      const lock = await direct.pool.connect()
      await lock.query('begin')
      await lock.query('lock table intake in access exclusive mode')
      return {
        async waiting() {
          const ask = async () =>
            (await direct.pool.query('select 1 from pg_locks where not granted')).rows.length > 0
          await until(ask, { what: 'the commit to wait' })
        },
        async free() {
          await lock.query('rollback')
          lock.release()
        },
      }
    },
    emit: events.publish,
    listeners: () => listeners,
    databaseAway: proxy.cut,
    databaseBack: proxy.mend,
    logs: () => lines.join(''),
    metrics: () => metrics.text(),
    async close() {
      await http.close()
      await intake.close()
      await database.close()
      await direct.close()
      await proxy.close()
      await server.drop()
    },
  }
}
