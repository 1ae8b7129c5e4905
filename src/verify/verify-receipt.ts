/**
 * The whole check of a receipt, for auditors: a receipt and RPC endpoints in, a verdict with its reasons out.
 * Runs in Node and in browsers, asks nothing of Holdfast, and trusts only the endpoints it is given.
 */
import { getAddress, sha256, toUtf8Bytes } from 'ethers'
import { canonicalJson } from '../core/canonical.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Hex } from '../core/hash.ts'
import type { Receipt, ReceiptAnchor } from '../core/receipt.ts'
import { type ChainReading, type Check, readAnchor } from './chain.ts'
import { isUnderRoot, leafOfHash, pathLengthOf } from './check-path.ts'
import { parseReceipt } from './parse-receipt.ts'
import { PUBLISHED_REGISTRY } from './registry.ts'

/** How far Holdfast's clock may be ahead of the chain's before `receivedAt` is called impossible. */
export const CLOCK_SKEW_MS = 300_000

/** RPC URLs by chain id (`31337` or `eip155:31337`), or a function of the numeric chain id. */
export type RpcEndpoints =
  | Record<string, string | readonly string[]>
  | ((chainId: number) => string | readonly string[] | undefined)

export type VerifyOptions = {
  rpc: RpcEndpoints
  /** What the auditor knows from elsewhere; without it the result says what was taken from the receipt. */
  expect?: { registry?: string; publisher?: string }
  /** The record itself, a JSON value: its RFC 8785 + SHA-256 hash must be the receipt's. */
  record?: unknown
  /** The record hash (64 hex digits, any case, 0x or not) that the receipt must be for. */
  hash?: string
  /** For each call to an endpoint; 10 s when not given. */
  timeoutMs?: number
  /** For all calls together; what is not read by then is not read. No limit when not given. */
  deadlineMs?: number
}

export type VerifiedAnchor = {
  chainId: string
  root: Hex
  blockNumber: number
  blockTime: string
  /** As the chain says now; `unknown` when it could not be read or contradicts. */
  status: 'mined' | 'finalized' | 'unknown'
  ok: boolean
}

/** Something in the receipt that is Holdfast's word and that no chain proves. `field` is a JSON pointer. */
export type Stated = { field: string; value: string; detail: string }

export type VerifyResult = {
  /** At least one anchor was confirmed by its chain, and nothing that could be checked is wrong. */
  valid: boolean
  /** False when some anchor's chain could not be read and nothing is wrong so far: reading it could change the verdict. */
  conclusive: boolean
  /** The receipt's record hash; null when the document is not a receipt. */
  hash: Hex | null
  checks: Check[]
  anchors: VerifiedAnchor[]
  stated: Stated[]
}

/**
 * Checks a receipt (text or parsed JSON) against its chains. Whatever the receipt holds, and whatever the endpoints
 * answer, the result says it: a bad receipt is a failed check, an unreadable chain is `conclusive: false`.
 * @throws HoldfastError INVALID_REQUEST when `expect` holds something that is not an address
 */
export async function verifyReceipt(input: unknown, options: VerifyOptions): Promise<VerifyResult> {
  const expected = addressesOf(options.expect ?? {})
  let receipt: Receipt
  try {
    receipt = parseReceipt(input)
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    const checks = [{ name: 'format', ok: false, detail: error.message }]
    return { valid: false, conclusive: true, hash: null, checks, anchors: [], stated: [] }
  }

  const own = [
    { name: 'format', ok: true, detail: `A complete ${receipt.format} document.` },
    ...checksOfSubject(receipt, options),
    checkLeaf(receipt),
    checkPath(receipt),
    checkReceivedAt(receipt),
  ]
  const isProven = own.every((check) => check.ok || (check.name !== 'leaf' && check.name !== 'path'))
  const checks: Check[] = [...own]
  const limits = {
    timeoutMs: options.timeoutMs ?? 10_000,
    endsAt: performance.now() + (options.deadlineMs ?? Number.POSITIVE_INFINITY),
  }
  const anchors: VerifiedAnchor[] = []
  const outcomes: ChainReading['outcome'][] = []
  for (const [i, anchor] of receipt.anchors.entries()) {
    const path = checkAnchorPath(receipt, anchor)
    const origin = checksOfOrigin(anchor, expected)
    const before = [path, ...origin]
    // Nothing that the chain says could make up for what is wrong already, and whoever sent the receipt pays no endpoint.
    const reading: ChainReading = !(isProven && path.ok)
      ? notRead('the receipt does not prove the record under this root')
      : !origin.every((check) => check.ok)
        ? notRead('it would be another registry’s or publisher’s word')
        : await readAnchor(anchor, urlsOf(options.rpc, anchor.chainId), limits)
    const { outcome } = reading
    outcomes.push(outcome)
    checks.push(
      ...[...before, ...reading.checks].map((check) => ({ ...check, name: `anchors[${i}].${check.name}` })),
    )
    const { chainId, root, blockNumber, blockTime } = anchor
    anchors.push({
      chainId,
      root,
      blockNumber,
      blockTime,
      status: reading.status,
      ok: outcome === 'confirmed',
    })
  }

  const isWrong = own.some((check) => !check.ok) || outcomes.includes('contradicted')
  return {
    valid: !isWrong && outcomes.includes('confirmed'),
    conclusive: isWrong || !outcomes.includes('unread'),
    hash: receipt.hash,
    checks,
    anchors,
    stated: statedBy(receipt),
  }
}

function checksOfSubject(receipt: Receipt, { hash, record }: VerifyOptions): Check[] {
  const checks: Check[] = []
  if (hash !== undefined) {
    const ok = `0x${hash.replace(/^0x/, '').toLowerCase()}` === receipt.hash
    const detail = ok
      ? 'The receipt is for the hash asked about.'
      : `The receipt is for ${receipt.hash}, not for the hash asked about.`
    checks.push({ name: 'hash', ok, detail })
  }
  if (record !== undefined) checks.push(checkRecord(receipt, record))
  return checks
}

function checkRecord(receipt: Receipt, record: unknown): Check {
  const name = 'record'
  try {
    const hash = sha256(toUtf8Bytes(canonicalJson(record)))
    if (hash === receipt.hash)
      return { name, ok: true, detail: `The record's SHA-256 is ${hash}, which the receipt is for.` }
    return {
      name,
      ok: false,
      detail: `The record's SHA-256 is ${hash}; the receipt is for ${receipt.hash}: another or altered record.`,
    }
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    return { name, ok: false, detail: `The record has no canonical form. ${error.message}` }
  }
}

function checkLeaf(receipt: Receipt): Check {
  const ok = leafOfHash(receipt.hash) === receipt.leaf
  const detail = ok
    ? 'The leaf is the double Keccak-256 of the hash.'
    : 'The leaf is not the double Keccak-256 of the hash.'
  return { name: 'leaf', ok, detail }
}

function checkPath({ batch, path, leaf }: Receipt): Check {
  const name = 'path'
  const length = pathLengthOf(batch.leafIndex, batch.leafCount)
  if (path.length !== length) {
    const where = `leaf ${batch.leafIndex} of ${batch.leafCount}`
    return { name, ok: false, detail: `The path has ${path.length} siblings; ${where} has ${length}.` }
  }
  if (!isUnderRoot(leaf, path, batch.root)) {
    return {
      name,
      ok: false,
      detail: `The path does not lead from the leaf to the batch root ${batch.root}.`,
    }
  }
  return { name, ok: true, detail: `The path leads from the leaf to the batch root ${batch.root}.` }
}

function checkAnchorPath({ batch }: Receipt, anchor: ReceiptAnchor): Check {
  const ok = isUnderRoot(batch.root, anchor.path, anchor.root)
  const detail = `The path ${ok ? 'leads' : 'does not lead'} from the batch root to the anchored root ${anchor.root}.`
  return { name: 'path', ok, detail }
}

function checkReceivedAt({ receivedAt, anchors }: Receipt): Check {
  const name = 'receivedAt'
  const early = anchors.find(
    (anchor) => Date.parse(receivedAt) > Date.parse(anchor.blockTime) + CLOCK_SKEW_MS,
  )
  if (early === undefined)
    return {
      name,
      ok: true,
      detail: `Holdfast states it received the hash at ${receivedAt}, which is possible.`,
    }
  const detail = `Holdfast states it received the hash at ${receivedAt}, after the block of ${early.blockTime} that holds it.`
  return { name, ok: false, detail }
}

function checksOfOrigin(anchor: ReceiptAnchor, expected: { registry?: string; publisher?: string }): Check[] {
  const registry = { name: 'registry', ...originOf('contract', anchor.registry, expected.registry) }
  if (expected.registry === undefined && anchor.registry === PUBLISHED_REGISTRY) {
    registry.detail = `${anchor.registry} is the address that only Holdfast's published contract can have.`
  }
  return [registry, { name: 'publisher', ...originOf('publisher', anchor.publisher, expected.publisher) }]
}

function originOf(
  what: string,
  given: string,
  expected: string | undefined,
): { ok: boolean; detail: string } {
  if (expected === undefined) {
    const detail = `The ${what} ${given} was taken from the receipt, and no expected one was given: compare it with the one you know.`
    return { ok: true, detail }
  }
  if (given === expected) return { ok: true, detail: `The ${what} is the expected ${expected}.` }
  return { ok: false, detail: `The ${what} is ${given}, not the expected ${expected}.` }
}

function notRead(why: string): ChainReading {
  const check = { name: 'chain', ok: false, detail: `Not read: ${why}.` }
  return { outcome: 'contradicted', status: 'unknown', checks: [check] }
}

function statedBy({ receivedAt, batch }: Receipt): Stated[] {
  const within = 'Only as far as the length of the path fixes it.'
  return [
    {
      field: '/receivedAt',
      value: receivedAt,
      detail: "Holdfast's own clock; the proof is the block's time.",
    },
    { field: '/batch/id', value: batch.id, detail: "Holdfast's own number of the batch." },
    { field: '/batch/leafIndex', value: String(batch.leafIndex), detail: within },
    { field: '/batch/leafCount', value: String(batch.leafCount), detail: within },
  ]
}

function urlsOf(rpc: RpcEndpoints, chainId: string): string[] {
  const id = chainId.slice('eip155:'.length)
  const urls = typeof rpc === 'function' ? rpc(Number(id)) : (own(rpc, id) ?? own(rpc, chainId))
  if (urls === undefined) return []
  return typeof urls === 'string' ? [urls] : [...urls]
}

function own<T>(record: Record<string, T>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined
}

function addressesOf(expect: { registry?: string; publisher?: string }): {
  registry?: string
  publisher?: string
} {
  const result: { registry?: string; publisher?: string } = {}
  for (const key of ['registry', 'publisher'] as const) {
    const text = expect[key]
    if (text === undefined) continue
    if (!/^0x[0-9a-fA-F]{40}$/.test(text)) {
      throw new HoldfastError(
        'INVALID_REQUEST',
        `The expected ${key} must be an address: 0x and 40 hex digits, got ${JSON.stringify(text)}.`,
      )
    }
    result[key] = getAddress(text.toLowerCase())
  }
  return result
}
