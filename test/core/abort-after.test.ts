import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { abortAfter } from '../../src/core/abort-after.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const reasonOf = (signal: AbortSignal) =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)))

it('aborts in time although the garbage collector has run meanwhile', async () => {
  const other = new AbortController()
  const waiting = [abortAfter(300), abortAfter(300, other.signal)].map(reasonOf)
  for (let i = 0; i < 5; i++) {
    await pause(20)
    collect()
  }
  const late = pause(5_000, 'never')
  for (const each of waiting) {
    expect(await Promise.race([each, late])).toMatchObject({ name: 'TimeoutError' })
  }
})

it('is not kept when nobody waits for it any more', async () => {
  const forgotten = [
    new WeakRef(abortAfter(60_000)),
    new WeakRef(abortAfter(60_000, new AbortController().signal)),
  ]
  for (let i = 0; i < 5; i++) {
    await pause(20)
    collect()
  }
  expect(forgotten.map((ref) => ref.deref())).toEqual([undefined, undefined])
})

it('aborts with any other signal', async () => {
  const other = new AbortController()
  const waiting = reasonOf(abortAfter(60_000, other.signal))
  other.abort(new Error('closed'))
  expect(await waiting).toMatchObject({ message: 'closed' })
})
