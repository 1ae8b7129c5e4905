import { getEventListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { withLimit } from '../src/client/time.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve())
  })

it('aborts in time although the garbage collector has run meanwhile', async () => {
  const other = new AbortController()
  const limits = [undefined, other.signal].map((outer) => withLimit(300, outer))
  for (let i = 0; i < 5; i++) {
    await pause(20)
    collect()
  }
  for (const limit of limits) {
    await aborted(limit.signal)
    expect(limit.isOver()).toBe(true)
  }
})

it('keeps neither signal, timer nor listener once it has ended', async () => {
  const other = new AbortController()
  const signals = [undefined, other.signal].map((outer) => {
    const limit = withLimit(60_000, outer)
    limit.end()
    return new WeakRef(limit.signal)
  })
  for (let i = 0; i < 5; i++) {
    await pause(20)
    collect()
  }
  expect(signals.map((ref) => ref.deref())).toEqual([undefined, undefined])
  expect(getEventListeners(other.signal, 'abort')).toEqual([])
})

it('aborts with the outer signal, also one that aborted before', async () => {
  const other = new AbortController()
  const waiting = withLimit(60_000, other.signal)
  other.abort(new Error('closed'))
  await aborted(waiting.signal)
  const late = withLimit(60_000, other.signal)
  for (const limit of [waiting, late]) {
    expect(limit.signal.reason).toMatchObject({ message: 'closed' })
    expect(limit.isOver()).toBe(false)
    limit.end()
  }
})
