import type { Readable } from 'node:stream'
import { HoldfastError } from '../../core/errors.ts'
import { createNdjsonDecoder, type Slice } from './ndjson.ts'

/** What of a stream is durably stored; `receivedAtMs` is that of its last slice, `only` its hash if there was but one. */
export type StreamOutcome = { accepted: number; receivedAtMs: number; only?: Uint8Array }

const HASHES_PER_SLICE = 16_384
const SLICES_IN_FLIGHT = 4
const DISCARDED_BYTES = 64 * 1024 * 1024

const MOST_MEMORY_BYTES = (SLICES_IN_FLIGHT + 1) * HASHES_PER_SLICE * 32
/** The text itself, and the hashes: a shortest line, `{"record":1}` and a line feed, makes 32 bytes out of 13. */
const MEMORY_PER_BYTE = 4

/** Most bytes that one stream holds in memory, by its Content-Length where that is known. */
export function streamMemoryBytes(contentLength: number | undefined): number {
  return Math.min(MOST_MEMORY_BYTES, (contentLength ?? Infinity) * MEMORY_PER_BYTE)
}

/**
 * Stores the hashes of an NDJSON body while it arrives. The body is read no faster than it is stored: with a few slices
 * under way the socket waits.
 * @throws HoldfastError at a bad line or when a slice could not be stored. Then `accepted` hashes, those before `line`,
 *   are stored: sending the body again from `line` on loses nothing. A slice behind a failed one may have been stored
 *   as well; sending it again only adds leaves.
 */
export async function ingestStream(
  body: Readable,
  options: { push(hashes: Uint8Array): Promise<number>; contentLength?: number | undefined },
): Promise<StreamOutcome> {
  const underWay: { slice: Slice; stored: Promise<number | Error> }[] = []
  let accepted = 0
  let receivedAtMs = 0
  let lastSlice: Uint8Array | undefined

  const onSlice = (slice: Slice) => {
    underWay.push({ slice, stored: options.push(slice.hashes).catch(asError) })
  }
  const decoder = createNdjsonDecoder({
    hashesPerSlice: Math.min(HASHES_PER_SLICE, 1 + Math.floor((options.contentLength ?? Infinity) / 67)),
    onSlice,
  })

  /** Waits for the oldest slices until no more than `most` are under way. */
  async function settle(most: number): Promise<void> {
    while (underWay.length > most) {
      const { slice, stored } = underWay.shift()!
      const outcome = await stored
      if (outcome instanceof Error) throw stoppedAt(outcome, slice.firstLine, accepted)
      accepted += slice.hashes.length / 32
      receivedAtMs = outcome
      lastSlice = slice.hashes
    }
  }

  /** Stores what is decoded, in full slices or not. */
  async function finish(): Promise<void> {
    const rest = decoder.rest()
    if (rest) onSlice(rest)
    await settle(0)
  }

  try {
    // Leaving a plain for-await would destroy the stream, and with it the socket that the answer needs.
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      const fault = faultIn(() => decoder.push(chunk as Buffer))
      if (fault) {
        await finish()
        throw stoppedAt(fault, fault.context.line ?? 0, accepted)
      }
      await settle(SLICES_IN_FLIGHT)
    }
  } catch (error) {
    discard(body)
    throw error
  }
  const fault = faultIn(() => decoder.end())
  await finish()
  if (fault) throw stoppedAt(fault, fault.context.line ?? 0, accepted)
  if (accepted === 0) throw new HoldfastError('EMPTY', 'The body has no line with a hash or a record.')
  return { accepted, receivedAtMs, ...(accepted === 1 && { only: lastSlice! }) }
}

/**
 * Reads what is left of a body and throws it away, so that a client that is still sending gets to read the answer, and
 * the next request on its connection is found. One that goes on for too long is cut off.
 */
function discard(body: Readable): void {
  let left = DISCARDED_BYTES
  body.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) body.destroy()
  })
}

function faultIn(run: () => void): HoldfastError | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if (error instanceof HoldfastError) return error
    throw error
  }
}

function stoppedAt(error: Error, line: number, accepted: number): Error {
  if (!(error instanceof HoldfastError)) return error
  return new HoldfastError(error.code, error.message, { ...error.context, line, accepted, cause: error })
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
