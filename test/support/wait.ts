import { setTimeout as pause } from 'node:timers/promises'

/**
 * Asks `condition` again and again, until it gives something other than false, null or undefined, and returns that.
 * A condition that throws fails the wait at once.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { within = 15_000, what, every = 10 }: { within?: number; what: string; every?: number },
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + within
  for (;;) {
    const value = await condition()
    if (value !== false && value !== null && value !== undefined)
      return value as NonNullable<Exclude<T, false>>
    if (performance.now() > deadline) throw new Error(`waited ${within} ms in vain for ${what}`)
    await pause(every)
  }
}
