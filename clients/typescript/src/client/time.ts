/** Pauses and time limits that hold no timer longer than they are needed. */
import { HoldfastError } from '../errors.ts'

/** When a call ends. */
export type Limit = {
  signal: AbortSignal | undefined
  /** As `performance.now()` tells the time; undefined for no such limit. */
  deadline: number | undefined
}

export function timedOut(cause?: HoldfastError): HoldfastError {
  const last = cause === undefined ? '' : ` ${cause.message}`
  return new HoldfastError('TIMED_OUT', `Not done within the time given.${last}`, { cause })
}

/**
 * The source's items, until the limit: also while the source keeps silent.
 * @throws HoldfastError TIMED_OUT at the deadline, or the signal's reason
 */
export async function* until<T>(
  source: AsyncIterable<T>,
  { signal, deadline }: Limit,
): AsyncGenerator<T, void, undefined> {
  if (signal === undefined && deadline === undefined) return yield* source
  const leftMs = deadline === undefined ? MAX_TIMER_MS : deadline - performance.now()
  const limit = withLimit(Math.max(0, leftMs), signal)
  let end: { error: unknown } | undefined
  let interrupt: ((error: unknown) => void) | undefined
  const stop = () => {
    end = { error: limit.isOver() ? timedOut() : signal?.reason }
    interrupt?.(end.error)
  }
  if (limit.signal.aborted) stop()
  else limit.signal.addEventListener('abort', stop, { once: true })
  const iterator = source[Symbol.asyncIterator]()
  let isDone = false
  try {
    for (;;) {
      if (end !== undefined) throw end.error
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        interrupt = reject
        iterator.next().then(resolve, reject)
      })
      if (next.done === true) {
        isDone = true
        return
      }
      yield next.value
    }
  } finally {
    limit.end()
    if (!isDone) iterator.return?.(undefined)?.catch(() => undefined)
  }
}

/** Resolves after the time; rejects with the signal's reason as soon as that aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal?.aborted) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })
}

export type TimeLimit = {
  signal: AbortSignal
  /** Whether it was the time, not the other signal, that aborted it. */
  isOver(): boolean
  /** Drops the timer and the listener. */
  end(): void
}

/** Longest delay of a timer. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * A signal that aborts after `ms`, or with `outer`. `AbortSignal.any` of a timeout is not used: Node 20 lets the garbage
 * collector take that timeout, which then never fires.
 */
export function withLimit(ms: number, outer: AbortSignal | undefined): TimeLimit {
  const controller = new AbortController()
  let over = false
  const follow = () => controller.abort(outer?.reason)
  const timer = setTimeout(
    () => {
      over = true
      controller.abort()
    },
    Math.min(ms, MAX_TIMER_MS),
  )
  if (outer?.aborted) follow()
  else outer?.addEventListener('abort', follow, { once: true })
  return {
    signal: controller.signal,
    isOver: () => over,
    end() {
      clearTimeout(timer)
      outer?.removeEventListener('abort', follow)
    },
  }
}
