/**
 * The whole check of a receipt, for auditors: a receipt and RPC endpoints in, a verdict with its reasons out. Asks
 * nothing of Holdfast, and trusts only the endpoints it is given.
 */
import { HoldfastError } from '../errors.ts'
import type { ReceiptAnchor } from '../format.ts'
import { type HashInput, hashOf } from '../hex.ts'
import type { Demand } from './conclude.ts'
import { openEndpoints, type RpcEndpoints } from './endpoints.ts'
import { createPathCheck, type PathCheck } from './path.ts'
import { createAnchorReader } from './read-anchor.ts'
import type { AnchorReading, Verification } from './verification.ts'
import { createVerifier, type Verifier } from './verifier.ts'
import { type AddressChoice, createVouching } from './vouching.ts'

export type VerifyOptions = {
  rpc: RpcEndpoints
  /** Registries that the auditor relies on; by default only Holdfast's published contract. */
  registry?: AddressChoice | undefined
  /** Publishers that the auditor relies on; without them, the headline says that nobody named one. */
  publisher?: AddressChoice | undefined
  /** Endpoints of each chain that must answer, and agree; default 1. Those that answer must agree in any case. */
  require?: number | undefined
  /** Valid only once the block is final. */
  final?: boolean | undefined
  /** Valid only if the block is not later: a Date, or an RFC 3339 time. */
  by?: Date | string | undefined
  /** For each call to an endpoint; default 10 s. */
  timeoutMs?: number | undefined
  /** For all calls together; what is not read by then is unread. No limit when not given. */
  deadlineMs?: number | undefined
  /** A second implementation of the tree, which must agree with this package's. */
  alsoCheckPath?: PathCheck | undefined
}

/** What the receipt must be for. */
export type VerifySubject = {
  /** The record hash. */
  hash?: HashInput | undefined
  /** The record itself, a JSON value: its RFC 8785 + SHA-256 hash must be the receipt's. */
  record?: unknown
}

const TIMEOUT_MS = 10_000
/** Anchors whose readings are kept while many receipts are checked. */
const ANCHORS_KEPT = 4_096
/** Receipts whose chains are being read at once. */
const READING_AT_ONCE = 64

/**
 * Checks a receipt (text or parsed JSON) against its chains. Whatever the receipt holds and the endpoints answer, the
 * result says it: a bad receipt is a failed check, an unreadable chain leaves `conclusive` false.
 * @throws HoldfastError INVALID_REQUEST for options that make no sense, INVALID_HASH for `hash`
 */
export async function verifyReceipt(
  receipt: unknown,
  options: VerifyOptions & VerifySubject,
): Promise<Verification> {
  const subject = {
    hash: options.hash === undefined ? undefined : hashOf(options.hash),
    record: options.record,
  }
  const session = openSession(options)
  try {
    return await session.verify(receipt, subject)
  } finally {
    session.close()
  }
}

/**
 * Checks many receipts; one verification each, in order. Everything about an anchor is read from its chain once, however
 * many receipts share it.
 * @throws HoldfastError INVALID_REQUEST for options that make no sense
 */
export async function* verifyReceipts(
  receipts: Iterable<unknown> | AsyncIterable<unknown>,
  options: VerifyOptions,
): AsyncGenerator<Verification, void, undefined> {
  const session = openSession(options)
  const reading: (Verification | Promise<Verification>)[] = []
  try {
    for await (const receipt of receipts) {
      reading.push(session.verify(receipt, {}))
      if (reading.length >= READING_AT_ONCE) yield reading.shift() as Verification
    }
    while (reading.length > 0) yield reading.shift() as Verification
  } finally {
    session.close()
  }
}

function openSession(options: VerifyOptions): Verifier & { close(): void } {
  const require = options.require ?? 1
  if (!Number.isSafeInteger(require) || require < 1) {
    throw new HoldfastError(
      'INVALID_REQUEST',
      `require must be a whole number of endpoints from 1, got ${require}.`,
    )
  }
  const vouching = createVouching({
    ...(options.registry !== undefined && { registry: options.registry }),
    ...(options.publisher !== undefined && { publisher: options.publisher }),
  })
  const demand: Demand = {
    final: options.final ?? false,
    byMs: options.by === undefined ? null : timeOf(options.by),
  }
  const limits = { timeoutMs: options.timeoutMs ?? TIMEOUT_MS, deadlineMs: options.deadlineMs }
  const pool = openEndpoints(options.rpc, limits)
  const readAnchor = onceForEach(createAnchorReader({ pool, require }))
  const pathChecks = [
    createPathCheck(),
    ...(options.alsoCheckPath === undefined ? [] : [options.alsoCheckPath]),
  ]
  return { ...createVerifier({ readAnchor, pathChecks, vouching, demand }), close: pool.close }
}

/** Readings by everything of the anchor that the chain is asked about. */
function onceForEach(
  read: (anchor: ReceiptAnchor) => Promise<AnchorReading>,
): (anchor: ReceiptAnchor) => AnchorReading | Promise<AnchorReading> {
  const readings = new Map<string, AnchorReading | Promise<AnchorReading>>()
  let last: { anchor: ReceiptAnchor; reading: AnchorReading } | undefined
  return (anchor) => {
    if (last !== undefined && isSame(last.anchor, anchor)) return last.reading
    const { path: _, status: __, ...asked } = anchor
    const key = JSON.stringify(asked)
    const known = readings.get(key)
    if (known !== undefined) {
      if (!(known instanceof Promise)) last = { anchor, reading: known }
      return known
    }
    const reading = read(anchor).then((done) => {
      readings.set(key, done)
      return done
    })
    if (readings.size >= ANCHORS_KEPT) readings.delete(readings.keys().next().value as string)
    readings.set(key, reading)
    return reading
  }
}

function isSame(a: ReceiptAnchor, b: ReceiptAnchor): boolean {
  return (
    a.root === b.root &&
    a.transactionHash === b.transactionHash &&
    a.blockHash === b.blockHash &&
    a.blockNumber === b.blockNumber &&
    a.blockTime === b.blockTime &&
    a.publisher === b.publisher &&
    a.registry === b.registry &&
    a.chainId === b.chainId
  )
}

function timeOf(by: Date | string): number {
  const ms = by instanceof Date ? by.getTime() : /^\d{4}-\d\d-\d\d/.test(by) ? Date.parse(by) : Number.NaN
  if (!Number.isNaN(ms)) return ms
  throw new HoldfastError(
    'INVALID_REQUEST',
    `A time must be as 2026-01-31T09:30:00Z, got ${JSON.stringify(String(by))}.`,
  )
}
