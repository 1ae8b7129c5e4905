/**
 * Holdfast's SDK. Producers: hashes, records or documents in, durably stored. Auditors: a hash in, its receipt out,
 * checked here against the chain without asking Holdfast.
 */
import { HoldfastError } from '../errors.ts'
import type { Hex, Receipt } from '../format.ts'
import { type HashInput, hashBytesOf, hashOf } from '../hex.ts'
import { type DocumentSource, hashFile, recordHashBytes } from '../record-hash.ts'
import type { RpcEndpoints } from '../verify/endpoints.ts'
import type { Verification } from '../verify/verification.ts'
import { type VerifyOptions, type VerifySubject, verifyReceipt } from '../verify/verify-receipt.ts'
import { objectOf } from './answers.ts'
import { hashesOfLines, type LineKind, type OnHash, type TextSource } from './lines.ts'
import { type PushResult, pushSlices } from './push.ts'
import {
  type ReceiptAnswer,
  type ReceiptLine,
  type RecordState,
  readReceipt,
  readReceipts,
  readRecord,
} from './receipts.ts'
import { createSend, type RequestSettings } from './request.ts'
import { bytesOfEach, bytesOfEachAsync, slicesOf, slicesOfOctets } from './slices.ts'
import { type Limit, pause } from './time.ts'
import { type Goal, waitForReceipt } from './wait.ts'

export type ClientSettings = RequestSettings & {
  /** Endpoints that `verify` reads; only they are trusted then. */
  rpc?: RpcEndpoints | undefined
}

export type CallOptions = {
  signal?: AbortSignal | undefined
  /** The whole call ends within this time, retries included, in ms. Without it, see `patienceMs` of the client. */
  deadlineMs?: number | undefined
}

export type PushOptions = CallOptions & {
  /** Called after each request with the number of hashes stored so far. */
  onAccepted?: ((accepted: number) => void) | undefined
  /** How long hashes of a slow stream may wait for more before they are sent, in ms; default 200. */
  lingerMs?: number | undefined
}

export type LinesOptions = PushOptions & { lines?: LineKind | undefined; onHash?: OnHash | undefined }

/** One hash; N x 32 bytes; or hashes one by one, as they come. */
export type HashSource = HashInput | Iterable<HashInput> | AsyncIterable<HashInput>

export type HoldfastClient = {
  /**
   * Pushes hashes in the order given. Resolves when all are durably stored; when it rejects, the error's
   * `context.accepted` says how many are stored for certain. Of a stream, at most 2 x 65,536 hashes are held.
   * A slice that is sent again after a lost answer may be stored twice: two leaves of the same hash, harmless.
   */
  push(hashes: HashSource, options?: PushOptions): Promise<PushResult>
  /**
   * Hashes each record here (SHA-256 of its RFC 8785 form) and pushes the hashes: the content stays where it is.
   * `hashes` are in the order of the records. All are checked before any is pushed.
   * @throws HoldfastError INVALID_RECORD with `index` for what has no canonical form, or holds a number that the
   * daemon would refuse in JSON text
   */
  pushRecords(records: Iterable<unknown>, options?: PushOptions): Promise<PushResult & { hashes: Hex[] }>
  /** Pushes the SHA-256 of a document's bytes; streams are never held whole. */
  pushFile(document: DocumentSource, options?: PushOptions): Promise<PushResult & { hash: Hex }>
  /**
   * Pushes a line's hash a line, as they come. A bad line ends it with `context.line` and `context.accepted`; what came
   * before it is stored.
   */
  pushLines(source: TextSource, options?: LinesOptions): Promise<PushResult>
  /** Where the record stands; null when the daemon does not know it. */
  record(hash: HashInput, options?: CallOptions): Promise<RecordState | null>
  /** The receipt once an anchor is mined; null when the daemon does not know the record. */
  receipt(hash: HashInput, options?: CallOptions): Promise<ReceiptAnswer | null>
  /** One answer a hash, in order, for any number of hashes. */
  receipts(
    hashes: Iterable<HashInput> | AsyncIterable<HashInput>,
    options?: CallOptions,
  ): AsyncGenerator<ReceiptLine, void, undefined>
  /**
   * The receipt as soon as the record has come so far, on any of its chains; the daemon may be away in between.
   * @throws HoldfastError TIMED_OUT after `deadlineMs` (default 5 minutes), saying where the record stands
   */
  waitFor(
    hash: HashInput,
    goal: Goal,
    options?: CallOptions & { pollMs?: number | undefined },
  ): Promise<Receipt>
  /** Checks a receipt here, on its chains and without the daemon; see `verifyReceipt`. */
  verify(receipt: unknown, options?: Partial<VerifyOptions> & VerifySubject): Promise<Verification>
  /** `/v1/status` as it is. */
  status(options?: CallOptions): Promise<Record<string, unknown>>
}

const LINGER_MS = 200
const WAIT_MS = 300_000

/** @throws HoldfastError INVALID_CONFIG for a URL that is not http or https */
export function createHoldfastClient(settings: ClientSettings): HoldfastClient {
  const send = createSend(settings)
  const push = (slices: AsyncIterable<Uint8Array>, options: PushOptions) =>
    pushSlices(send, slices, limitOf(options), options.onAccepted)

  return {
    push: (hashes, options = {}) => push(slicesOfAny(hashes, options.lingerMs ?? LINGER_MS), options),

    async pushRecords(records, options = {}) {
      const hashes = Array.from(records, recordBytesAt)
      const result = await push(slicesOf(hashes, 0), options)
      return { ...result, hashes: hashes.map((hash) => hashOf(hash)) }
    },

    async pushFile(document, options = {}) {
      const hash = await hashFile(document)
      return { ...(await push(slicesOf([hashBytesOf(hash)], 0), options)), hash }
    },

    pushLines: (source, { lines = 'items', onHash, ...options } = {}) =>
      push(slicesOf(hashesOfLines(source, lines, onHash), options.lingerMs ?? LINGER_MS), options),

    record: async (hash, options = {}) => readRecord(send, hashOf(hash), limitOf(options)),
    receipt: async (hash, options = {}) => readReceipt(send, hashOf(hash), limitOf(options)),
    receipts: (hashes, options = {}) => readReceipts(send, hashes, limitOf(options)),

    async waitFor(hash, goal, { pollMs, ...options } = {}) {
      const limit = limitOf({ deadlineMs: WAIT_MS, ...options })
      return waitForReceipt(send, hashOf(hash), goal, { limit, pollMs, pause: settings.pause ?? pause })
    },

    async verify(receipt, options = {}) {
      const rpc = options.rpc ?? settings.rpc
      if (rpc === undefined) {
        throw new HoldfastError(
          'INVALID_CONFIG',
          'To verify, give `rpc`: URLs of an endpoint for each chain id.',
        )
      }
      return verifyReceipt(receipt, { ...options, rpc })
    },

    status: async (options = {}) =>
      send({ method: 'GET', path: '/v1/status', limit: limitOf(options) }, objectOf),
  }
}

function limitOf({ signal, deadlineMs }: CallOptions): Limit {
  return { signal, deadline: deadlineMs === undefined ? undefined : performance.now() + deadlineMs }
}

function slicesOfAny(hashes: HashSource, lingerMs: number): AsyncGenerator<Uint8Array, void, undefined> {
  if (hashes instanceof Uint8Array) return slicesOfOctets(hashes)
  if (typeof hashes === 'string') return slicesOf(bytesOfEach([hashes]), lingerMs)
  return slicesOf(Symbol.asyncIterator in hashes ? bytesOfEachAsync(hashes) : bytesOfEach(hashes), lingerMs)
}

function recordBytesAt(record: unknown, index: number): Uint8Array {
  try {
    return recordHashBytes(record)
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    throw new HoldfastError(error.code, error.message, { ...error.context, index, cause: error })
  }
}
