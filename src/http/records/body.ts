import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { HoldfastError } from '../../core/errors.ts'

/** JSON bodies and lines are parsed at once, on the event loop, so they are held to less than octets. */
export const MAX_JSON_BYTES = 8 * 1024 * 1024
/** Bodies of calls that may need no key; 1,000 hashes are 70 kB, a receipt is some 10 kB. */
export const MAX_OPEN_BYTES = 1024 * 1024

/** Bytes of bodies that are arriving now, all requests together. */
export type UploadBudget = {
  /** @returns OVERLOADED, and takes nothing, when there would be too many; null otherwise */
  take(bytes: number): HoldfastError | null
  give(bytes: number): void
}

/** Refuses bodies over a total, so that many slow uploads cannot fill the memory. */
export function createUploadBudget(limitBytes: number): UploadBudget {
  let taken = 0
  return {
    take(bytes) {
      if (taken > 0 && taken + bytes > limitBytes) {
        return new HoldfastError('OVERLOADED', 'Too many uploads at once; send this again.', {
          retryAfter: 2,
        })
      }
      taken += bytes
      return null
    },
    give(bytes) {
      taken -= bytes
    },
  }
}

/**
 * Reads a body to its end as one buffer. With a Content-Length the bytes are copied once, into a buffer of that size.
 * @param done called once: with the body, or with PAYLOAD_TOO_LARGE, OVERLOADED, or the error of a connection that ended early
 */
export function readBody(
  stream: IncomingMessage,
  limits: { bytes: number; budget: UploadBudget },
  done: (error: Error | null, body?: Buffer) => void,
): void {
  const announced = Number(stream.headers['content-length'] ?? Number.NaN)
  let held = Number.isNaN(announced) ? 0 : announced
  const refused = announced > limits.bytes ? tooLarge(limits.bytes) : limits.budget.take(held)
  if (refused !== null) {
    done(refused)
    return
  }
  let whole: Buffer | undefined
  const parts: Buffer[] = []
  let length = 0

  const end = (error: Error | null) => {
    stream.off('data', onData).off('end', onEnd).off('error', end).off('close', onClose)
    limits.budget.give(held)
    if (error !== null) done(error)
    else if (whole !== undefined) done(null, whole.subarray(0, length))
    else done(null, parts.length === 1 ? parts[0] : Buffer.concat(parts, length))
  }
  const onData = (chunk: Buffer) => {
    const before = length
    length += chunk.length
    if (length > limits.bytes) return end(tooLarge(limits.bytes))
    if (Number.isNaN(announced)) {
      const overBudget = limits.budget.take(chunk.length)
      if (overBudget !== null) return end(overBudget)
      held += chunk.length
      parts.push(chunk)
    } else if (whole === undefined && length === announced && before === 0) {
      parts.push(chunk)
    } else {
      whole ??= Buffer.allocUnsafeSlow(announced)
      chunk.copy(whole, before)
    }
  }
  const onEnd = () => end(null)
  const onClose = () => {
    end(Object.assign(new Error('connection closed before the body was complete'), { code: 'ECONNRESET' }))
  }
  stream.on('data', onData).on('end', onEnd).on('error', end).on('close', onClose)
}

function tooLarge(bytes: number): HoldfastError {
  return new HoldfastError('PAYLOAD_TOO_LARGE', `The body is larger than ${bytes} bytes; send it in parts.`)
}

/**
 * The text of a body that must be UTF-8.
 * @throws HoldfastError INVALID_ENCODING with the offset of the first wrong byte
 */
export function decodeUtf8(bytes: Uint8Array, where: { line?: number } = {}): string {
  if (isUtf8(bytes)) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  const place = where.line === undefined ? '' : ` of line ${where.line}`
  throw new HoldfastError(
    'INVALID_ENCODING',
    `Byte ${firstWrongByte(bytes)}${place} does not belong to valid UTF-8; JSON is sent as UTF-8.`,
    where,
  )
}

/** 0-based offset of the first byte at which the text stops being UTF-8, by halving. */
function firstWrongByte(bytes: Uint8Array): number {
  let good = 0
  let bad = bytes.length
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (isUtf8Prefix(bytes.subarray(0, middle))) good = middle
    else bad = middle
  }
  return good
}

/** Whether the bytes are UTF-8 that may break off within its last character. */
function isUtf8Prefix(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
    return true
  } catch (error) {
    if (error instanceof TypeError) return false
    throw error
  }
}
