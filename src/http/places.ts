import { HoldfastError } from '../core/errors.ts'

export type Places = {
  /**
   * Takes a place.
   * @returns gives it back; once, however often it is called
   * @throws HoldfastError OVERLOADED when all are taken
   */
  take(): () => void
}

/** Places for work that many strangers may ask for at once. */
export function createPlaces(count: number, whenFull: string): Places {
  let taken = 0
  return {
    take() {
      if (taken >= count) throw new HoldfastError('OVERLOADED', whenFull, { retryAfter: 2 })
      taken++
      let held = true
      return () => {
        if (held) taken--
        held = false
      }
    },
  }
}
