import { setTimeout as pause } from 'node:timers/promises'

/** Faults strike when they can: each waits for its occasion for as long as the run lasts. */
export type Patience = {
  /** Asks again and again until there is an answer; null when the run ends without one. */
  until<T>(ask: () => T | null | Promise<T | null>): Promise<T | null>
  /** Waits, but not past the end of the run. */
  pause(ms: number): Promise<void>
  isOver(): boolean
}

const ASK_EVERY_MS = 50

/** @param endsAt by `performance.now()` */
export function patienceUntil(endsAt: number): Patience {
  const isOver = () => performance.now() >= endsAt
  return {
    isOver,
    async until(ask) {
      while (!isOver()) {
        const answer = await ask()
        if (answer !== null) return answer
        await pause(ASK_EVERY_MS)
      }
      return null
    },
    pause: (ms) => pause(Math.max(0, Math.min(ms, endsAt - performance.now()))),
  }
}

/** One piece of work at a time, in the order of asking. */
export function createQueue(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const result = last.then(work)
    last = result.catch(() => undefined)
    return result
  }
}
