/**
 * Runs with a signal that aborts after `ms`, with a TimeoutError as its reason, or with `outer`. The timer ends with
 * the run: on Node 22, what `AbortSignal.any` makes of `AbortSignal.timeout` stays in memory until the time is over.
 */
export async function withinTime<T>(
  ms: number,
  outer: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const timer = setTimeout(
    () => controller.abort(new DOMException(`not done within ${ms} ms`, 'TimeoutError')),
    ms,
  )
  const forward = () => controller.abort(outer?.reason)
  if (outer?.aborted) forward()
  else outer?.addEventListener('abort', forward, { once: true })
  try {
    return await run(controller.signal)
  } finally {
    clearTimeout(timer)
    outer?.removeEventListener('abort', forward)
  }
}
