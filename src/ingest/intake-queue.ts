/**
 * In: hashes of one request, from any number of requests at once. Out: one row per source and commit in `intake`.
 *
 * Group commit: while a commit is in flight, whatever arrives waits in one queue and goes with the next. An idle daemon
 * therefore commits each request at once, and a busy one shares the price of a disk flush among all that came meanwhile.
 * A commit starts beside another only when that pays. Nothing is acknowledged before its statement returned.
 */

import { HoldfastError } from '../core/errors.ts'
import { createFairShare } from '../core/fair-share.ts'
import { HASH_BYTES } from '../core/hash.ts'
import type { Metrics } from '../core/metrics.ts'

export type IntakeChunk = { sourceId: number; hashes: Uint8Array }

export type IntakeLimits = {
  /**
   * Bytes that may wait or be in flight, {@link REQUEST_BYTES} a request included, shared fairly among sources; more is
   * refused with OVERLOADED.
   */
  maxPendingBytes: number
  /** Hashes in one `intake` row; a larger request becomes several rows of one statement. */
  maxChunkHashes: number
  /** The most statements in flight at once. */
  commitsInFlight: number
  /** Bytes after which a commit takes no further request. */
  maxCommitBytes: number
}

/**
 * What a waiting request holds beside its hashes: some 5 KiB of heap and its socket, measured with 4,000 single hashes
 * waiting on a connection each.
 */
export const REQUEST_BYTES = 8 * 1024

/**
 * Hashes that are worth a commit beside those in flight, however much these carry. Fewer start one when they are at least as
 * many as all those in flight: a group that happened to be small then does not hold up a large one, and commits stay few.
 */
const BESIDE_BYTES = 64 * 1024
/** A commit under way for this long is a slow one, and nobody waits for it to start the next. */
const BESIDE_MS = 5

export type IntakeQueue = {
  /**
   * Stores n x 32 bytes, all or nothing; the bytes belong to the queue from now on.
   * @returns when the database received them, ms since the epoch by its clock, once they are committed
   * @throws HoldfastError OVERLOADED, DATABASE_UNAVAILABLE or SHUTTING_DOWN, each with retryAfter. After
   *   DATABASE_UNAVAILABLE they may have been stored all the same; pushing them again only adds leaves.
   */
  push(sourceId: number, hashes: Uint8Array): Promise<number>
  /** Of requests that wait or are in flight: how many, and their bytes as the limit counts them. */
  pending(): { bytes: number; requests: number }
  /** Refuses new hashes and waits until those accepted are committed or failed. */
  close(): Promise<void>
}

type Waiting = {
  sourceId: number
  hashes: Uint8Array
  resolve(receivedAtMs: number): void
  reject(error: unknown): void
}

export function createIntakeQueue(deps: {
  /** Commits all chunks or none, and returns when the database received them, ms since the epoch. */
  append(chunks: IntakeChunk[]): Promise<number>
  limits: IntakeLimits
  metrics: Metrics
}): IntakeQueue {
  const { limits, metrics } = deps
  const share = createFairShare(limits.maxPendingBytes)
  const waiting: Waiting[] = []
  let head = 0
  let waitingBytes = 0
  let pendingRequests = 0
  let inFlight = 0
  let inFlightBytes = 0
  let lastStartedAt = 0
  let closed = false
  let onIdle: (() => void) | undefined
  let startScheduled = false
  let patience: NodeJS.Timeout | undefined

  /** After the current poll phase, so that all requests that one wake-up of the event loop delivers share a commit. */
  function scheduleStart(): void {
    if (startScheduled || inFlight >= limits.commitsInFlight) return
    startScheduled = true
    setImmediate(() => {
      startScheduled = false
      startCommits()
    })
  }

  function startCommits(): void {
    while (head < waiting.length && mayStart()) void commit(takeGroup())
    // At the limit there is nothing to watch: the commit that returns starts the next.
    if (head === waiting.length || inFlight >= limits.commitsInFlight || patience !== undefined) return
    patience = setTimeout(() => {
      patience = undefined
      startCommits()
    }, BESIDE_MS)
  }

  function mayStart(): boolean {
    if (inFlight === 0) return true
    if (inFlight >= limits.commitsInFlight) return false
    return (
      waitingBytes >= Math.min(BESIDE_BYTES, inFlightBytes) || performance.now() - lastStartedAt >= BESIDE_MS
    )
  }

  function takeGroup(): Waiting[] {
    const first = head
    let bytes = 0
    while (
      head < waiting.length &&
      (bytes === 0 || bytes + waiting[head]!.hashes.length <= limits.maxCommitBytes)
    ) {
      bytes += waiting[head]!.hashes.length
      head++
    }
    waitingBytes -= bytes
    const group = waiting.slice(first, head)
    if (head === waiting.length) {
      waiting.length = 0
      head = 0
    } else if (head > 4096) {
      waiting.splice(0, head)
      head = 0
    }
    return group
  }

  async function commit(group: Waiting[]): Promise<void> {
    inFlight++
    const startedAt = performance.now()
    lastStartedAt = startedAt
    let bytes = 0
    for (const each of group) bytes += each.hashes.length
    inFlightBytes += bytes
    const outcome = await deps.append(chunksOf(group, limits.maxChunkHashes)).then(
      (receivedAtMs) => ({ receivedAtMs }),
      (error: unknown) => ({ error }),
    )
    inFlight--
    inFlightBytes -= bytes
    // Before anybody is answered: the disk works on the next commit while this one's answers are written.
    startCommits()
    if ('receivedAtMs' in outcome) {
      metrics.observe('holdfast_intake_commit_seconds', (performance.now() - startedAt) / 1000)
      metrics.count('holdfast_intake_hashes_total', bytes / HASH_BYTES)
      for (const each of group) each.resolve(outcome.receivedAtMs)
    } else {
      metrics.count('holdfast_intake_failures_total', 1)
      for (const each of group) each.reject(outcome.error)
    }
    for (const { sourceId, hashes } of group) share.give(sourceId, hashes.length + REQUEST_BYTES)
    pendingRequests -= group.length
    if (pendingRequests === 0) onIdle?.()
  }

  return {
    push(sourceId, hashes) {
      if (closed) {
        return Promise.reject(
          new HoldfastError('SHUTTING_DOWN', 'The daemon is stopping; send this again.', { retryAfter: 2 }),
        )
      }
      const held = hashes.length + REQUEST_BYTES
      if (!share.take(sourceId, held)) {
        metrics.count('holdfast_intake_overloaded_total', 1)
        return Promise.reject(
          new HoldfastError(
            'OVERLOADED',
            'More hashes wait to be stored than the limit allows one source; send this again.',
            { retryAfter: 1 },
          ),
        )
      }
      pendingRequests++
      return new Promise((resolve, reject) => {
        waiting.push({ sourceId, hashes, resolve, reject })
        waitingBytes += hashes.length
        scheduleStart()
      })
    },
    pending: () => ({ bytes: share.taken(), requests: pendingRequests }),
    async close() {
      closed = true
      if (pendingRequests > 0) await new Promise<void>((resolve) => (onIdle = resolve))
    },
  }
}

/** One chunk per source, hashes in the order the requests came; a chunk over the limit is cut into several. */
function chunksOf(group: readonly Waiting[], maxChunkHashes: number): IntakeChunk[] {
  const bySource = new Map<number, Uint8Array[]>()
  for (const { sourceId, hashes } of group) {
    const parts = bySource.get(sourceId)
    if (parts) parts.push(hashes)
    else bySource.set(sourceId, [hashes])
  }
  const chunks: IntakeChunk[] = []
  for (const [sourceId, parts] of bySource) {
    const hashes = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    const step = maxChunkHashes * HASH_BYTES
    for (let start = 0; start < hashes.length; start += step) {
      chunks.push({ sourceId, hashes: hashes.subarray(start, start + step) })
    }
  }
  return chunks
}
