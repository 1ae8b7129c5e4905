/** The timeout behind each signal, for as long as somebody holds the signal or listens to it, and no longer. */
const timeouts = new WeakMap<AbortSignal, AbortSignal>()

/**
 * A signal that aborts after `ms`, or with any of `signals`.
 *
 * Node 20 lets the garbage collector take a timeout that nobody but `AbortSignal.any` refers to, which then never fires.
 */
export function abortAfter(ms: number, ...signals: AbortSignal[]): AbortSignal {
  const timeout = AbortSignal.timeout(ms)
  const signal = AbortSignal.any([timeout, ...signals])
  timeouts.set(signal, timeout)
  return signal
}
