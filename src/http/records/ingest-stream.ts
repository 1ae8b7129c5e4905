import { HoldfastError } from '../../core/errors.ts'
import type { GatheringRequest } from '../connections/request.ts'
import type { Turns } from '../turns.ts'
import type { Hold } from '../uploads.ts'
import { createNdjsonDecoder, type Slice } from './ndjson.ts'

/** What of a stream is durably stored; `receivedAtMs` is that of its last slice, `only` its hash if there was but one. */
export type StreamOutcome = { accepted: number; receivedAtMs: number; only?: Uint8Array }

const HASHES_PER_SLICE = 16_384
const SLICES_IN_FLIGHT = 4

/**
 * Stores the hashes of an NDJSON body while it arrives. The body is read no faster than it is stored: with a few slices
 * under way the socket waits.
 * @throws HoldfastError at a bad line or when a slice could not be stored. Then `accepted` hashes, those before `line`,
 *   are stored: sending the body again from `line` on loses nothing. A slice behind a failed one may have been stored
 *   as well; sending it again only adds leaves.
 */
export async function ingestStream(
  body: GatheringRequest,
  options: {
    push(hashes: Uint8Array): Promise<number>
    recordLimitBytes: number
    turns: Turns
    /** What the stream holds in memory is charged here. */
    hold: Hold
  },
): Promise<StreamOutcome> {
  const underWay: { slice: Slice; stored: Promise<number | Error> }[] = []
  let accepted = 0
  let receivedAtMs = 0
  let lastSlice: Uint8Array | undefined

  const onSlice = (slice: Slice) => {
    underWay.push({ slice, stored: options.push(slice.hashes).catch(asError) })
  }
  const decoder = createNdjsonDecoder({
    hashesPerSlice: HASHES_PER_SLICE,
    recordLimitBytes: options.recordLimitBytes,
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
  async function finish(fault?: HoldfastError): Promise<void> {
    const rest = decoder.rest()
    if (rest) onSlice(rest)
    await settle(0)
    if (fault) throw stoppedAt(fault, fault.context.line ?? decoder.line() + 1, accepted)
  }

  const charge = (): HoldfastError | undefined => {
    let held = decoder.held()
    for (const { slice } of underWay) held += slice.hashes.length
    return options.hold.set(held)
  }

  try {
    if (body.bodyFault) throw body.bodyFault
    // Leaving a plain for-await would destroy the stream, and with it the socket that the answer needs.
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      await options.turns.take()
      const fault = faultIn(() => decoder.push(chunk as Buffer)) ?? charge()
      if (fault) await finish(fault)
      await settle(SLICES_IN_FLIGHT)
    }
  } catch (error) {
    // A fault of the stream itself, such as one that came too slowly: its lines up to there are stored.
    if (error === body.bodyFault && error instanceof HoldfastError) await finish(error)
    throw error
  }
  await finish(faultIn(() => decoder.end()))
  if (accepted === 0) throw new HoldfastError('EMPTY', 'The body has no line with a hash or a record.')
  return { accepted, receivedAtMs, ...(accepted === 1 && { only: lastSlice! }) }
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
