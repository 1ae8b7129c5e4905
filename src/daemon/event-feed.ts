import type { Logger } from '../core/ports.ts'

export type EventFeed<Event> = {
  publish(event: Event): void
  /** @returns a function that ends the subscription */
  subscribe(listener: (event: Event) => void): () => void
}

/** Tells every listener what happened in this process; a listener that throws is logged and the others still hear. */
export function createEventFeed<Event>(logger: Logger): EventFeed<Event> {
  const listeners = new Set<(event: Event) => void>()
  return {
    publish(event) {
      for (const listener of listeners) {
        try {
          listener(event)
        } catch (error) {
          logger.error({ err: error }, 'a listener of events failed')
        }
      }
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
