import type { Verification } from 'holdfast-client'
import type { Hex } from '../core/hash.ts'
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
  /** Whether the event is of a batch that holds records of the source. */
  eventConcerns(sourceId: number, event: HoldfastEvent): Promise<boolean>
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

/** What happened, as `/v1/events` tells it: the type names the event, the rest is its data, as the lists give it. */
export type HoldfastEvent =
  | { type: 'sealed'; batchId: string; leafCount: number; root: Hex }
  | ({ type: 'anchored' | 'finalized'; transactionHash: Hex; blockNumber: number } & AnchorOfEvent)
  | ({ type: 'reorged' } & AnchorOfEvent)

type AnchorOfEvent = {
  anchorId: string
  chainId: `eip155:${string}`
  root: Hex
  firstBatch: string
  lastBatch: string
}

export type FeedEntry = { id: string; event: HoldfastEvent }

/** How a listener goes on after the id it gave. */
export type Following = {
  /** Whether events after that id may be missing. */
  gap: boolean
  /** Id of the last event before `missed`. */
  from: string
  missed: FeedEntry[]
  stop(): void
}

type EventFeed = {
  /** Tells the listener of every event from now on. @param after id of the last event that it knows */
  follow(listener: (entry: FeedEntry) => void, after?: string): Following
}

export type HealthCheck = { name: string; ok: boolean; detail: string }

export type HealthReader = {
  /** Whether requests can be served now: the database answers and its schema is the expected one. */
  ready(): Promise<HealthCheck[]>
  /** Everything an operator should know of: database, chains, balance, backlog. */
  all(): Promise<HealthCheck[]>
}
