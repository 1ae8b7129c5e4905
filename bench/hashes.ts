import { randomBytes } from 'node:crypto'
import { HASH_BYTES } from '../src/core/hash.ts'

/** Hashes that are all different, made faster than a server takes them: random once, then numbered. */
export type HashSource = {
  /** The next `count` hashes, in a buffer that is the caller's until the source has gone around (`ring` calls). */
  take(count: number): Buffer
  /** The hash at a place in the order in which they were taken. */
  at(index: number): Buffer
}

/** @param perTake how many every call takes @param ring buffers that are filled in turn */
export function hashSource(perTake: number, ring: number): HashSource {
  const pattern = randomBytes(perTake * HASH_BYTES)
  const buffers = Array.from({ length: ring }, () => Buffer.from(pattern))
  let taken = 0
  return {
    take(count) {
      if (count > perTake) throw new Error(`at most ${perTake} hashes at a time`)
      const buffer = buffers[(taken / perTake) % ring]!
      const round = taken / perTake
      for (let i = 0; i < count; i++) buffer.writeUInt32LE(round, i * HASH_BYTES + 8)
      taken += perTake
      return buffer.subarray(0, count * HASH_BYTES)
    },
    at(index) {
      const place = index % perTake
      const hash = Buffer.from(pattern.subarray(place * HASH_BYTES, (place + 1) * HASH_BYTES))
      hash.writeUInt32LE(Math.floor(index / perTake), 8)
      return hash
    },
  }
}
