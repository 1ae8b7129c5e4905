/**
 * A signal that aborts after `ms`, or with any of `signals`.
 *
 * Node 20 lets the garbage collector take a timeout that nobody but `AbortSignal.any` refers to, which then never fires. A
 * listener of its own keeps it.
 */
export function abortAfter(ms: number, ...signals: AbortSignal[]): AbortSignal {
  const timeout = AbortSignal.timeout(ms)
  timeout.addEventListener('abort', () => undefined)
  return AbortSignal.any([timeout, ...signals])
}
