/** Memory for bodies that are arriving, shared fairly among clients and charged for what is held, not for what is announced. */
import { HoldfastError } from '../core/errors.ts'
import { createFairShare } from '../core/fair-share.ts'

/** What one request holds. */
export type Hold = {
  /** Charges what it holds now. @returns OVERLOADED, and charges nothing more, when there is no room */
  set(bytes: number): HoldfastError | undefined
  release(): void
}

export type Uploads = {
  /** @param client a source's id, or an address */
  hold(client: string | number): Hold
}

export function createUploads(limitBytes: number): Uploads {
  const share = createFairShare(limitBytes)
  return {
    hold(client) {
      let held = 0
      return {
        set(bytes) {
          const more = bytes - held
          if (more > 0 && !share.take(client, more)) {
            return new HoldfastError('OVERLOADED', 'Too many uploads at once; send this again.', {
              retryAfter: 2,
            })
          }
          if (more < 0) share.give(client, -more)
          held = bytes
          return undefined
        },
        release() {
          share.give(client, held)
          held = 0
        },
      }
    },
  }
}
