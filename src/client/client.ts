/**
 * Holdfast's SDK. Producers: hashes or records in, durably accepted. Auditors: a hash in, its receipt out, checked here
 * against the chain without asking Holdfast.
 */

import {
  parseReceipt,
  type RpcEndpoints,
  type Verification,
  type VerifyOptions,
  verifyReceipt,
} from 'holdfast-client'
import type { AnchorReason, AnchorState, RecordStatus } from '../core/anchor-state.ts'
import { canonicalJson, parseStrictJson } from '../core/canonical.ts'
import { HoldfastError } from '../core/errors.ts'
import { HASH_BYTES, type Hex, parseHash, toHex } from '../core/hash.ts'
import type { Receipt } from '../core/receipt.ts'
import { recordHash } from '../core/record-hash.ts'
import { withinTime } from '../core/within-time.ts'
import { hashOfLine, type LineKind, linesOf, type TextSource } from './lines.ts'
import { type Answer, createRequester, jsonOf, pauseFor, type RequestSettings } from './request.ts'

export type ClientSettings = RequestSettings & {
  /** Endpoints that `verify` reads; only they are trusted then. */
  rpc?: RpcEndpoints
}

/** A hash as 32 bytes, or as 64 hex digits of any case with or without 0x. */
export type HashInput = Uint8Array | string

export type PushResult = {
  /** Hashes that are durably stored. */
  accepted: number
  /** When the last of them was stored, RFC 3339; null when there was none to push. */
  receivedAt: string | null
  /** When the last of them is anchored at the latest, RFC 3339; null when the daemon has no chain. */
  anchorBy: string | null
}

export type PushOptions = {
  signal?: AbortSignal
  /** Called after each slice with the number of hashes stored so far. */
  onAccepted?: (accepted: number) => void
}

export type RecordState = {
  hash: Hex
  status: RecordStatus
  receivedAt: string
  source: string
  /** null while the status is `accepted`. */
  batch: { id: string; leafIndex: number } | null
  anchors: {
    id: string
    chainId: `eip155:${string}`
    root: Hex
    state: AnchorState
    transactionHash: Hex | null
    blockNumber: number | null
  }[]
  anchorBy: string | null
  reason?: AnchorReason
}

export type ReceiptAnswer =
  | { kind: 'receipt'; receipt: Receipt }
  | { kind: 'pending'; status: RecordStatus; anchorBy: string | null; retryAfter: number }

export type HoldfastClient = {
  /**
   * Pushes hashes in the order given, as octets in slices: one Uint8Array of N x 32 bytes, or one item a hash.
   * Resolves when all are durably stored. When it rejects, the error's `context.accepted` says how many are stored
   * for certain. A slice that is sent again after a lost answer may be stored twice: two leaves, harmless.
   */
  push(
    hashes: Uint8Array | Iterable<HashInput> | AsyncIterable<HashInput>,
    options?: PushOptions,
  ): Promise<PushResult>
  /**
   * Hashes each record here (SHA-256 of its RFC 8785 form) and pushes the hashes: the content stays where it is.
   * `hashes` are in the order of the records. All are checked before any is pushed.
   * @throws HoldfastError INVALID_RECORD with `index` for what has no canonical form, or holds a number that the
   * daemon would refuse in JSON text
   */
  pushRecords(records: Iterable<unknown>, options?: PushOptions): Promise<PushResult & { hashes: Hex[] }>
  /** Pushes a line's hash a line, as they come; a bad line ends it with `context.line` and `context.accepted`. */
  pushNdjson(
    source: TextSource,
    options?: PushOptions & { lines?: LineKind; onHash?: (hash: Uint8Array, line: number) => void },
  ): Promise<PushResult>
  /** Where the record stands; null when it is unknown. */
  record(hash: HashInput, signal?: AbortSignal): Promise<RecordState | null>
  /** The receipt once an anchor is mined; null when the record is unknown. */
  receipt(hash: HashInput, signal?: AbortSignal): Promise<ReceiptAnswer | null>
  /** One answer a hash, in order. */
  receipts(
    hashes: Iterable<HashInput>,
    signal?: AbortSignal,
  ): AsyncGenerator<Receipt | { hash: Hex; status: RecordStatus | 'unknown' }>
  /**
   * The receipt as soon as there is one; the daemon may be away in between.
   * @throws HoldfastError TIMED_OUT after `timeoutMs` (default 5 minutes), saying where the record stands
   */
  waitForReceipt(
    hash: HashInput,
    options?: { timeoutMs?: number; pollMs?: number; signal?: AbortSignal },
  ): Promise<Receipt>
  /** Checks a receipt here, on the chain and without the daemon, see `verifyReceipt`. */
  verify(receipt: unknown, options?: Partial<VerifyOptions>): Promise<Verification>
  /** `/v1/status` as it is. */
  status(signal?: AbortSignal): Promise<Record<string, unknown>>
}

/** 2 MiB a request: far under the daemon's limit, and large enough that the round trip does not matter. */
const HASHES_A_SLICE = 65_536
const HASHES_A_LOOKUP = 1_000

/** @throws HoldfastError INVALID_CONFIG for a URL that is not http(s) */
export function createHoldfastClient(settings: ClientSettings): HoldfastClient {
  const send = createRequester(settings)
  const pause = settings.pause ?? pauseFor

  async function pushSlices(
    slices: AsyncIterable<Uint8Array>,
    { signal, onAccepted }: PushOptions,
  ): Promise<PushResult> {
    const result: PushResult = { accepted: 0, receivedAt: null, anchorBy: null }
    try {
      for await (const body of slices) {
        const contentType = 'application/octet-stream'
        const response = await send({ method: 'POST', path: '/v1/records', contentType, body, signal })
        const answer = jsonOf(response) as { receivedAt: string; anchorBy: string | null }
        result.accepted += body.length / HASH_BYTES
        result.receivedAt = answer.receivedAt
        result.anchorBy = answer.anchorBy
        onAccepted?.(result.accepted)
      }
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error
      const context = { ...error.context, accepted: result.accepted, cause: error }
      throw new HoldfastError(error.code, error.message, context)
    }
    return result
  }

  async function receipt(hash: HashInput, signal?: AbortSignal): Promise<ReceiptAnswer | null> {
    const path = `/v1/records/${toHex(bytesOf(hash))}/receipt`
    const response = await orNull(send({ method: 'GET', path, signal }))
    if (response === null) return null
    if (response.status === 200) return { kind: 'receipt', receipt: parseReceipt(response.text) }
    const { status, anchorBy } = jsonOf(response) as { status: RecordStatus; anchorBy: string | null }
    return { kind: 'pending', status, anchorBy, retryAfter: response.retryAfter ?? 1 }
  }

  return {
    push: (hashes, options = {}) => {
      return pushSlices(hashes instanceof Uint8Array ? slicesOf(hashes) : slicesOfItems(hashes), options)
    },

    async pushRecords(records, options = {}) {
      const hashes = Array.from(records, hashOfRecord)
      return { ...(await pushSlices(slicesOf(Buffer.concat(hashes)), options)), hashes: hashes.map(toHex) }
    },

    pushNdjson: (source, { lines = 'items', onHash, ...options } = {}) =>
      pushSlices(slicesOfLines(source, lines, onHash), options),

    async record(hash, signal) {
      const response = await orNull(
        send({ method: 'GET', path: `/v1/records/${toHex(bytesOf(hash))}`, signal }),
      )
      return response === null ? null : (jsonOf(response) as RecordState)
    },

    receipt,

    async *receipts(hashes, signal) {
      const all = Array.from(hashes, (hash, index) => toHex(bytesOf(hash, index)))
      for (let from = 0; from < all.length; from += HASHES_A_LOOKUP) {
        const body = JSON.stringify({ hashes: all.slice(from, from + HASHES_A_LOOKUP) })
        const response = await send({
          method: 'POST',
          path: '/v1/receipts',
          contentType: 'application/json',
          body,
          signal,
        })
        for await (const { text } of linesOf([response.text])) {
          const value = parseStrictJson(text)
          const isReceipt = typeof value === 'object' && value !== null && Object.hasOwn(value, 'format')
          yield isReceipt ? parseReceipt(value) : (value as { hash: Hex; status: RecordStatus | 'unknown' })
        }
      }
    },

    async waitForReceipt(hash, { timeoutMs = 300_000, pollMs, signal } = {}) {
      let last = 'Nothing was heard of it'
      const ask = async (either: AbortSignal): Promise<Receipt> => {
        while (true) {
          let wait = 1
          try {
            const answer = await receipt(hash, either)
            if (answer?.kind === 'receipt') return answer.receipt
            last = answer === null ? 'The record is unknown' : `The record is ${answer.status}`
            wait = answer?.retryAfter ?? wait
          } catch (error) {
            if (!(error instanceof HoldfastError) || error.kind !== 'retry') throw error
            last = error.message
          }
          await pause(pollMs ?? wait * 1000, either)
        }
      }
      try {
        return await withinTime(timeoutMs, signal, ask)
      } catch (cause) {
        if (signal?.aborted || (cause as Error).name !== 'TimeoutError') throw cause
        throw new HoldfastError('TIMED_OUT', `No receipt within ${timeoutMs / 1000} s. ${last}.`, { cause })
      }
    },

    async verify(input, options = {}) {
      const rpc = options.rpc ?? settings.rpc
      if (rpc === undefined) {
        throw new HoldfastError(
          'INVALID_CONFIG',
          'To verify, give `rpc`: URLs of an endpoint for each chain id.',
        )
      }
      return verifyReceipt(input, { ...options, rpc })
    },

    async status(signal) {
      const response = await send({ method: 'GET', path: '/v1/status', signal })
      return jsonOf(response) as Record<string, unknown>
    },
  }
}

async function orNull(answer: Promise<Answer>): Promise<Answer | null> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'UNKNOWN_RECORD') return null
    throw error
  }
}

/** By way of the text, so that numbers which other programs would read differently are refused here as there. */
function hashOfRecord(record: unknown, index: number): Buffer {
  try {
    return recordHash(parseStrictJson(canonicalJson(record)))
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    throw new HoldfastError(error.code, error.message, { ...error.context, index, cause: error })
  }
}

function bytesOf(hash: HashInput, index?: number): Uint8Array {
  if (typeof hash === 'string') return parseHash(hash, index === undefined ? {} : { index })
  if (hash.length === HASH_BYTES) return hash
  const detail = `A hash is ${HASH_BYTES} bytes, got ${hash.length}. Hash the content with SHA-256 first.`
  throw new HoldfastError('INVALID_HASH', detail, index === undefined ? {} : { index })
}

async function* slicesOf(octets: Uint8Array): AsyncGenerator<Uint8Array> {
  if (octets.length % HASH_BYTES !== 0) {
    throw new HoldfastError(
      'INVALID_HASH',
      `Hashes are ${HASH_BYTES} bytes each; ${octets.length} bytes are no whole number of them.`,
    )
  }
  const step = HASHES_A_SLICE * HASH_BYTES
  for (let from = 0; from < octets.length; from += step) yield octets.subarray(from, from + step)
}

async function* slicesOfItems(
  items: Iterable<HashInput> | AsyncIterable<HashInput>,
): AsyncGenerator<Uint8Array> {
  const slice = createSlice()
  let index = 0
  for await (const item of items) {
    slice.add(bytesOf(item, index++))
    if (slice.isFull()) yield slice.take()
  }
  if (!slice.isEmpty()) yield slice.take()
}

/** What came before a bad line is pushed first, so that `accepted` and `line` agree. */
async function* slicesOfLines(
  source: TextSource,
  kind: LineKind,
  onHash: (hash: Uint8Array, line: number) => void = () => undefined,
): AsyncGenerator<Uint8Array> {
  const slice = createSlice()
  let fault: unknown
  try {
    for await (const { line, text } of linesOf(source)) {
      const hash = hashOfLine(text, line, kind)
      onHash(hash, line)
      slice.add(hash)
      if (slice.isFull()) yield slice.take()
    }
  } catch (error) {
    fault = error
  }
  if (!slice.isEmpty()) yield slice.take()
  if (fault !== undefined) throw fault
}

/** Gathers hashes for one request; what is taken is the taker's, a new buffer begins. */
function createSlice() {
  let buffer = Buffer.allocUnsafe(HASHES_A_SLICE * HASH_BYTES)
  let length = 0
  return {
    isEmpty: () => length === 0,
    isFull: () => length === buffer.length,
    add(hash: Uint8Array) {
      buffer.set(hash, length)
      length += HASH_BYTES
    },
    take(): Uint8Array {
      const taken = buffer.subarray(0, length)
      buffer = Buffer.allocUnsafe(HASHES_A_SLICE * HASH_BYTES)
      length = 0
      return taken
    },
  }
}
