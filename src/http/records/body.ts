import { isUtf8 } from 'node:buffer'
import { HoldfastError } from '../../core/errors.ts'
import type { GatheringRequest } from '../connections/request.ts'
import type { Hold } from '../uploads.ts'
import { growingBuffer } from './growing-buffer.ts'

/** JSON bodies are parsed on the event loop, so they are held to less than octets. */
export const MAX_JSON_BYTES = 8 * 1024 * 1024
/** Bodies of calls that may need no key; 1,000 hashes are 70 kB, a receipt is some 10 kB. */
export const MAX_OPEN_BYTES = 128 * 1024

/** Copies and memory that the collector has to take are few where a body comes as it was announced. */
const GROWTH_WHERE_ANNOUNCED = 64

/**
 * Reads a body to its end as one buffer, copied as it comes into a block that grows with it.
 * @param limits.hold charged for the block; released by whoever gave it
 * @param done called once: with the body, or with PAYLOAD_TOO_LARGE, OVERLOADED, or the error of a body that broke off
 */
export function readBody(
  request: GatheringRequest,
  limits: { bytes: number; hold: Hold },
  done: (error: Error | null, body?: Buffer) => void,
): void {
  const announced = Number(request.headers['content-length'] ?? Number.NaN)
  const fault = announced > limits.bytes ? tooLarge(limits.bytes) : request.bodyFault
  if (fault !== undefined) {
    done(fault)
    return
  }
  const body = Number.isNaN(announced)
    ? growingBuffer(limits.bytes)
    : growingBuffer(announced, GROWTH_WHERE_ANNOUNCED)
  let whole: Buffer | undefined

  const end = (error: Error | null) => {
    request.off('data', onData).off('end', onEnd).off('error', end).off('close', onClose)
    if (error !== null) done(error)
    else done(null, whole ?? body.bytes())
  }
  const onData = (piece: Buffer) => {
    if (piece.length === announced) {
      whole = piece
    } else if (!body.append(piece)) return end(tooLarge(limits.bytes))
    const overBudget = limits.hold.set(whole?.length ?? body.capacity())
    if (overBudget !== undefined) end(overBudget)
  }
  const onEnd = () => end(null)
  const onClose = () => {
    end(Object.assign(new Error('connection closed before the body was complete'), { code: 'ECONNRESET' }))
  }
  request.on('data', onData).on('end', onEnd).on('error', end).on('close', onClose)
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
