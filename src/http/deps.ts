import type { Verification } from 'holdfast-client'
import type { Metrics } from '../core/metrics.ts'
import type { Clock, Logger } from '../core/ports.ts'
import type { IntakeQueue } from '../ingest/intake-queue.ts'
import type { Prover } from '../prove/prover.ts'
import type { AnchorRow, BatchRow, Page } from '../store/chain/read-lists.ts'
import type { Source } from '../store/intake/sources.ts'
import type { LeastRate } from './connections/progress.ts'

/** Everything that the HTTP server needs and does not make itself. */
export type HttpDeps = {
  settings: HttpSettings
  intake: Pick<IntakeQueue, 'push'>
  prover: Prover
  /** Checks a receipt; vouches for this installation's own anchors only. */
  verify(receipt: unknown): Promise<Verification>
  /** By when what was received at that instant is anchored, both ms since the epoch; null without a chain. */
  anchorBy(receivedAtMs: number): number | null
  lists: ListReader
  /** The source that holds the key with this SHA-256 (32 bytes). */
  findSource(keyHash: Buffer): Promise<Source | null>
  /** What `/v1/status` answers. */
  status(): Promise<object>
  events: EventFeed
  health: HealthReader
  /** The Prometheus exposition. */
  metricsPage: { text(): Promise<string>; contentType: string }
  logger: Logger
  metrics: Metrics
  clock: Clock
}

export type HttpSettings = {
  host: string
  /** 0 picks a free port. */
  port: number
  bodyLimitBytes: number
  /** The largest record, as JSON text; a larger one is pushed as its hash. */
  recordLimitBytes: number
  requestTimeoutMs: number
  /** Connections beyond these serve only probes. */
  maxConnections: number
  /** Whether record status, receipts and verify need no key. */
  publicReceipts: boolean
  /** What a client must send or read at least; {@link LEAST_RATE} when not given. */
  leastRate?: LeastRate
}

type ListReader = {
  batches(page: Page): Promise<BatchRow[]>
  batch(id: number): Promise<BatchRow | null>
  /** Up to 256 x 32 bytes, or null. */
  tile(batchId: number, level: number, index: number): Promise<Buffer | null>
  anchors(page: Page): Promise<AnchorRow[]>
  anchor(id: number): Promise<AnchorRow | null>
}

/** What happened, as `/v1/events` tells it: the type names the event, the rest is its data. */
export type HoldfastEvent = {
  type: 'sealed' | 'anchored' | 'finalized' | 'reorged'
  [field: string]: unknown
}

type EventFeed = {
  /** @returns a function that ends the subscription */
  subscribe(listener: (event: HoldfastEvent) => void): () => void
}

export type HealthCheck = { name: string; ok: boolean; detail: string }

export type HealthReader = {
  /** Whether requests can be served now: the database answers and its schema is the expected one. */
  ready(): Promise<HealthCheck[]>
  /** Everything an operator should know of: database, chains, balance, backlog. */
  all(): Promise<HealthCheck[]>
}
