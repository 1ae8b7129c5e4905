/** In: what happened in this process. Out: the same to every listener, in order, also to one that was away for a while. */
import { randomBytes } from 'node:crypto'
import type { AnchorEvent } from '../anchor/context.ts'
import type { Logger } from '../core/ports.ts'
import type { FeedEntry, Following, HoldfastEvent } from '../http/deps.ts'
import type { Pool } from '../store/connection/database.ts'
import { batchesHoldSource } from '../store/sealed/batches.ts'

/** Events that are kept for listeners who come back. */
const KEPT_EVENTS = 1_000

export type EventFeed = {
  publish(event: HoldfastEvent): void
  follow(listener: (entry: FeedEntry) => void, after?: string): Following
}

/**
 * Ids are `<process>-<number>`, so that one from before a restart, or of another replica, is known to be foreign. A listener
 * that throws is logged, and the others still hear.
 */
export function createEventFeed(logger: Logger): EventFeed {
  const listeners = new Set<(entry: FeedEntry) => void>()
  const kept: FeedEntry[] = []
  const process = randomBytes(6).toString('hex')
  let last = 0
  const idOf = (number: number) => `${process}-${number}`

  /** The number in one of our own ids; undefined for any other. */
  function numberOf(id: string): number | undefined {
    const [of, number] = id.split('-')
    if (of !== process || !/^\d{1,15}$/.test(number ?? '')) return undefined
    return Number(number) <= last ? Number(number) : undefined
  }

  return {
    publish(event) {
      const entry = { id: idOf(++last), event }
      kept.push(entry)
      if (kept.length > KEPT_EVENTS) kept.shift()
      for (const listener of listeners) {
        try {
          listener(entry)
        } catch (error) {
          logger.error({ err: error }, 'a listener of events failed')
        }
      }
    },
    follow(listener, after) {
      listeners.add(listener)
      const stop = () => void listeners.delete(listener)
      if (after === undefined) return { gap: false, from: idOf(last), missed: [], stop }
      const number = numberOf(after)
      const before = last - kept.length
      const gap = number === undefined || number < before
      const from = gap ? before : number
      return { gap, from: idOf(from), missed: kept.slice(from - before), stop }
    },
  }
}

/** An anchor's event as the API tells it, in the types of `GET /v1/anchors`; null for what only operators hear of. */
export function eventOf(event: AnchorEvent): HoldfastEvent | null {
  if (event.type === 'paused') return null
  const { chainId, anchorId, firstBatch, lastBatch, ...rest } = event
  return {
    ...rest,
    chainId: `eip155:${chainId}`,
    anchorId: String(anchorId),
    firstBatch: String(firstBatch),
    lastBatch: String(lastBatch),
  }
}

/** Whether an event is of a batch that holds records of a source. */
export function createOwnership(pool: Pool): (sourceId: number, event: HoldfastEvent) => Promise<boolean> {
  return (sourceId, event) => {
    const [first, last] =
      event.type === 'sealed' ? [event.batchId, event.batchId] : [event.firstBatch, event.lastBatch]
    return batchesHoldSource(pool, { firstBatch: Number(first), lastBatch: Number(last), sourceId })
  }
}
