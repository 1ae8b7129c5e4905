export type Turns = {
  /**
   * Asks for the event loop before work of some milliseconds.
   * @returns undefined when it may be done at once; else a promise of its turn
   */
  take(): Promise<void> | undefined
}

/** Work of one turn of the event loop, besides the piece that passes it. */
const SLICE_MS = 8

/**
 * Lets parsing of large bodies, all requests together, hold up the event loop for about {@link SLICE_MS} at a time, first
 * come first served, so that other requests are answered meanwhile.
 */
export function createTurns(): Turns {
  const waiting: (() => void)[] = []
  let startedAt: number | undefined

  function nextTurn(): void {
    startedAt = undefined
    const go = waiting.shift()
    if (go === undefined) return
    begin()
    go()
  }

  function begin(): void {
    startedAt = performance.now()
    setImmediate(nextTurn)
  }

  return {
    take() {
      if (startedAt === undefined) {
        begin()
        return undefined
      }
      if (waiting.length === 0 && performance.now() - startedAt < SLICE_MS) return undefined
      return new Promise((resolve) => waiting.push(resolve))
    },
  }
}
