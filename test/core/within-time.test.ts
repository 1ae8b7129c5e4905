import { getEventListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { withinTime } from '../../src/core/within-time.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const aborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason))
  })

it('aborts in time although the garbage collector has run meanwhile', async () => {
  const other = new AbortController()
  const waiting = [undefined, other.signal].map((outer) =>
    withinTime(300, outer, aborted).catch((error: unknown) => error),
  )
  for (let i = 0; i < 5; i++) {
    await pause(20)
    collect()
  }
  for (const each of waiting) expect(await each).toMatchObject({ name: 'TimeoutError' })
})

it('keeps neither signal, timer nor listener once the run is over', async () => {
  const other = new AbortController()
  const signals: WeakRef<AbortSignal>[] = []
  const note = async (signal: AbortSignal) => void signals.push(new WeakRef(signal))
  for (const outer of [undefined, other.signal]) await withinTime(60_000, outer, note)
  for (let i = 0; i < 5; i++) {
    await pause(20)
    collect()
  }
  expect(signals.map((ref) => ref.deref())).toEqual([undefined, undefined])
  expect(getEventListeners(other.signal, 'abort')).toEqual([])
})

it('aborts with the outer signal, also one that aborted before', async () => {
  const other = new AbortController()
  const waiting = withinTime(60_000, other.signal, aborted)
  other.abort(new Error('closed'))
  await expect(waiting).rejects.toThrow('closed')
  await expect(withinTime(60_000, other.signal, aborted)).rejects.toThrow('closed')
})
