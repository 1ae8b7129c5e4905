import { HoldfastError } from '../core/errors.ts'
import { createFairShare } from '../core/fair-share.ts'

export type Slots = {
  /**
   * Takes a slot for a client, which may not have all of them.
   * @returns gives it back; once, however often it is called
   * @throws HoldfastError OVERLOADED when all are taken, or the client's share is
   */
  take(client: string | number): () => void
  /** Does the work in a slot. */
  run<T>(client: string | number, work: () => Promise<T>): Promise<T>
}

/** Semaphore that rejects when it is full. */
export function createSlots(count: number, whenFull: string): Slots {
  const share = createFairShare(count)
  function take(client: string | number): () => void {
    if (!share.take(client, 1)) throw new HoldfastError('OVERLOADED', whenFull, { retryAfter: 2 })
    let held = true
    return () => {
      if (held) share.give(client, 1)
      held = false
    }
  }

  return {
    take,
    async run(client, work) {
      const leave = take(client)
      try {
        return await work()
      } finally {
        leave()
      }
    },
  }
}
