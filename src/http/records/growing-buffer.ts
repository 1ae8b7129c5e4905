export type GrowingBuffer = {
  /** Copies the bytes. @returns false, and takes nothing, when they would pass the limit */
  append(bytes: Buffer): boolean
  /** What was appended; valid until the next append or clear. */
  bytes(): Buffer
  clear(): void
  length(): number
  /** Bytes of memory that it holds. */
  capacity(): number
}

const FIRST_BYTES = 1024
/** A block of this size is kept when the buffer is cleared. */
const KEPT_BYTES = 4096

/**
 * Bytes in one contiguous block that grows with what comes, however small the pieces.
 * @param growth it holds at most so many times what was appended, and never more than the limit
 */
export function growingBuffer(limitBytes: number, growth = 4): GrowingBuffer {
  let block = Buffer.alloc(0)
  let length = 0
  return {
    append(bytes) {
      const needed = length + bytes.length
      if (needed > limitBytes) return false
      if (needed > block.length) {
        const size = Math.max(FIRST_BYTES, needed, block.length * growth)
        const grown = Buffer.allocUnsafeSlow(Math.min(limitBytes, size))
        block.copy(grown, 0, 0, length)
        block = grown
      }
      bytes.copy(block, length)
      length = needed
      return true
    },
    bytes: () => block.subarray(0, length),
    clear() {
      if (block.length > KEPT_BYTES) block = Buffer.alloc(0)
      length = 0
    },
    length: () => length,
    capacity: () => block.length,
  }
}
