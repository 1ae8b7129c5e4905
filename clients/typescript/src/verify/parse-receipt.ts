/**
 * A receipt as it came, text or parsed JSON, in; a checked {@link Receipt} out. Checks what docs/receipt-format.md
 * calls form, and nothing of what the receipt proves.
 */
import { HoldfastError } from '../errors.ts'
import {
  MAX_ANCHORS,
  MAX_PATH_LENGTH,
  RECEIPT_FORMAT,
  type Receipt,
  type ReceiptAnchor,
  TREE_NAME,
} from '../format.ts'
import { isAddress, withChecksum } from './address.ts'
import { parseReceiptText } from './receipt-text.ts'

type Test = (value: unknown, at: string) => void
type Shape = Record<string, Test>

const HASH = /^0x[0-9a-f]{64}$/
const CHAIN_ID = /^eip155:[1-9]\d{0,15}$/
const BATCH_ID = /^(?:0|[1-9]\d{0,18})$/
const LARGEST_BATCH_ID = '9223372036854775807'
const TIME = /^(?:19[7-9]|[2-9]\d\d)\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const STATUSES = new Set(['mined', 'finalized'])

const anchorShape: Shape = {
  chainId: chainId,
  registry: address,
  publisher: address,
  root: hash,
  path,
  transactionHash: hash,
  blockNumber: count,
  blockHash: hash,
  blockTime: time,
  status: (value, at) => {
    if (!STATUSES.has(value as string)) fail(at, 'must be "mined" or "finalized"')
  },
}
const batchShape: Shape = { id: batchId, leafIndex: count, leafCount: count, root: hash }
const receiptShape: Shape = {
  format: constant(RECEIPT_FORMAT),
  tree: constant(TREE_NAME),
  hash,
  receivedAt: time,
  leaf: hash,
  batch: (value, at) => object(value, at, batchShape),
  path,
  anchors,
}

/**
 * Reads a `holdfast-receipt/1` document strictly: no unknown, missing or repeated key, one spelling for each value.
 * @param input the document's text, or its value as a strict JSON parser gives it
 * @throws HoldfastError INVALID_RECEIPT naming the place (JSON pointer) and what would be right there
 */
export function parseReceipt(input: unknown): Receipt {
  const value = typeof input === 'string' ? parseReceiptText(input) : input
  object(value, '', receiptShape)
  const receipt = value as Receipt
  const { leafIndex, leafCount } = receipt.batch
  if (leafIndex >= leafCount) {
    fail('/batch/leafIndex', `must be less than leafCount (${leafCount}), got ${leafIndex}`)
  }
  for (let i = 0; i < receipt.anchors.length; i++) {
    const { path: above } = receipt.anchors[i] as ReceiptAnchor
    if (receipt.path.length + above.length > MAX_PATH_LENGTH) {
      fail(`/anchors/${i}/path`, `must not be longer than ${MAX_PATH_LENGTH} together with /path`)
    }
  }
  if (receipt.anchors.length > 1) requireDifferentAnchors(receipt.anchors)
  return receipt
}

function requireDifferentAnchors(all: readonly ReceiptAnchor[]): void {
  const seen = new Map<string, number>()
  for (const [i, one] of all.entries()) {
    const place = [one.chainId, one.registry, one.publisher, one.root].join(' ')
    const first = seen.get(place)
    if (first !== undefined) {
      fail(
        `/anchors/${i}`,
        `must not have the chainId, registry, publisher and root of /anchors/${first} again`,
      )
    }
    seen.set(place, i)
  }
}

function object(value: unknown, at: string, shape: Shape): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    fail(at, 'must be there as object')
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) fail(at, 'must be there as object')
  for (const key in value) {
    if (!Object.hasOwn(shape, key) || !Object.hasOwn(value, key)) {
      fail(`${at}/${escaped(key)}`, 'is not a key of a receipt')
    }
  }
  for (const key in shape) {
    if (!Object.hasOwn(value, key)) fail(`${at}/${key}`, 'must be there')
    ;(shape[key] as Test)((value as Record<string, unknown>)[key], at === '' ? `/${key}` : `${at}/${key}`)
  }
}

function anchors(value: unknown, at: string): void {
  if (!Array.isArray(value)) fail(at, 'must be there as array')
  if (value.length === 0) fail(at, 'must hold at least one anchor')
  if (value.length > MAX_ANCHORS) fail(at, `must not hold more than ${MAX_ANCHORS}`)
  for (let i = 0; i < value.length; i++) object(value[i], `${at}/${i}`, anchorShape)
}

function path(value: unknown, at: string): void {
  if (!Array.isArray(value)) fail(at, 'must be there as array')
  if (value.length > MAX_PATH_LENGTH) fail(at, `must not be longer than ${MAX_PATH_LENGTH}`)
  for (let i = 0; i < value.length; i++) {
    if (!isHash(value[i])) hash(value[i], `${at}/${i}`)
  }
}

function isHash(value: unknown): boolean {
  return typeof value === 'string' && value.length === 66 && HASH.test(value)
}

function hash(value: unknown, at: string): void {
  requireString(value, at)
  if (!isHash(value)) fail(at, 'must be 0x and 64 lower-case hex digits')
}

function address(value: unknown, at: string): void {
  requireString(value, at)
  if (!isAddress(value)) fail(at, 'must be an address: 0x and 40 hex digits')
  if (withChecksum(value) !== value) fail(at, 'must carry its EIP-55 checksum in the case of its letters')
}

function time(value: unknown, at: string): void {
  requireString(value, at)
  if (!isInstant(value as string)) {
    fail(
      at,
      'must be an RFC 3339 time in UTC with milliseconds, as 2026-01-31T09:30:00.000Z, from 1970 to 9999',
    )
  }
}

/** Times found right: the receipts of one batch and anchor share theirs. */
const knownInstants = new Set<string>()
const MAX_KNOWN_INSTANTS = 1_024

function isInstant(text: string): boolean {
  if (knownInstants.has(text)) return true
  if (!TIME.test(text)) return false
  const instant = new Date(text)
  if (Number.isNaN(instant.getTime()) || instant.toISOString() !== text) return false
  if (knownInstants.size >= MAX_KNOWN_INSTANTS) knownInstants.clear()
  knownInstants.add(text)
  return true
}

function count(value: unknown, at: string): void {
  if (typeof value !== 'number') fail(at, 'must be there as number')
  if (!Number.isSafeInteger(value) || value < 0 || Object.is(value, -0)) {
    fail(at, 'must be an integer from 0 to 2^53 - 1')
  }
}

function chainId(value: unknown, at: string): void {
  requireString(value, at)
  const text = value as string
  if (!CHAIN_ID.test(text) || !Number.isSafeInteger(Number(text.slice(7)))) {
    fail(at, 'must be eip155:<decimal chain id>, from 1 to 2^53 - 1')
  }
}

function batchId(value: unknown, at: string): void {
  requireString(value, at)
  const text = value as string
  if (!BATCH_ID.test(text)) fail(at, 'must be a decimal number in a string')
  if (text.length === LARGEST_BATCH_ID.length && text > LARGEST_BATCH_ID) fail(at, 'must be at most 2^63 - 1')
}

function constant(wanted: string): Test {
  return (value, at) => {
    if (value !== wanted) fail(at, `must be "${wanted}"`)
  }
}

function requireString(value: unknown, at: string): void {
  if (typeof value !== 'string') fail(at, 'must be there as string')
}

function fail(at: string, what: string): never {
  throw new HoldfastError('INVALID_RECEIPT', `${at === '' ? 'The document' : at}: ${what}.`)
}

function escaped(key: string): string {
  return key.slice(0, 64).replace(/~/g, '~0').replace(/\//g, '~1')
}
