/**
 * A receipt as it came (text or parsed JSON) in, a checked {@link Receipt} out. Isomorphic.
 * Everything that docs/receipt-format.md calls a matter of form is checked here; what it proves is not.
 */
import { getAddress } from 'ethers'
import * as z from 'zod'
import { parseStrictJson } from '../core/canonical.ts'
import { HoldfastError } from '../core/errors.ts'
import { MAX_PATH_LENGTH, RECEIPT_FORMAT, type Receipt, TREE_NAME } from '../core/receipt.ts'

/** A record is anchored once a chain; more anchors than this in one receipt are refused before any is read. */
export const MAX_ANCHORS = 32

const hash = z.string().regex(/^0x[0-9a-f]{64}$/, 'must be 0x and 64 lower-case hex digits')
const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'must be an address: 0x and 40 hex digits')
  .refine(hasChecksum, 'must carry its EIP-55 checksum in the case of its letters')
const time = z
  .string()
  .refine(isInstant, 'must be an RFC 3339 time in UTC with milliseconds, as 2026-01-31T09:30:00.000Z')
const count = z
  .number()
  .refine(
    (value) => Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0),
    'must be an integer from 0 to 2^53 - 1',
  )
const path = z.array(hash).max(MAX_PATH_LENGTH, `must not be longer than ${MAX_PATH_LENGTH}`)

const anchor = z.strictObject({
  chainId: z
    .string()
    .refine(
      (value) => /^eip155:[1-9]\d*$/.test(value) && Number.isSafeInteger(Number(value.slice(7))),
      'must be eip155:<decimal chain id>',
    ),
  registry: address,
  publisher: address,
  root: hash,
  path,
  transactionHash: hash,
  blockNumber: count,
  blockHash: hash,
  blockTime: time,
  status: z.enum(['mined', 'finalized'], 'must be "mined" or "finalized"'),
})

const receipt = z.strictObject({
  format: z.literal(RECEIPT_FORMAT, `must be "${RECEIPT_FORMAT}"`),
  tree: z.literal(TREE_NAME, `must be "${TREE_NAME}"`),
  hash,
  receivedAt: time,
  leaf: hash,
  batch: z.strictObject({
    id: z.string().regex(/^(0|[1-9]\d{0,18})$/, 'must be a decimal number in a string'),
    leafIndex: count,
    leafCount: count,
    root: hash,
  }),
  path,
  anchors: z
    .array(anchor)
    .min(1, 'must hold at least one anchor')
    .max(MAX_ANCHORS, `must not hold more than ${MAX_ANCHORS}`),
})

/**
 * Reads a `holdfast-receipt/1` document strictly: no unknown, missing or repeated key, one spelling for each value.
 * @param input the document's text, or its value as a strict JSON parser gives it
 * @throws HoldfastError INVALID_RECEIPT naming the place (JSON pointer) and what would be right there
 */
export function parseReceipt(input: unknown): Receipt {
  const value = typeof input === 'string' ? parseText(input) : input
  const parsed = receipt.safeParse(value)
  if (!parsed.success) throw new HoldfastError('INVALID_RECEIPT', faultOf(parsed.error.issues[0]))
  const result = parsed.data as Receipt
  const { leafIndex, leafCount } = result.batch
  if (leafIndex >= leafCount) {
    throw new HoldfastError(
      'INVALID_RECEIPT',
      `/batch/leafIndex: must be less than leafCount (${leafCount}), got ${leafIndex}.`,
    )
  }
  const seen = new Map<string, number>()
  result.anchors.forEach((one, i) => {
    if (result.path.length + one.path.length > MAX_PATH_LENGTH) {
      throw new HoldfastError(
        'INVALID_RECEIPT',
        `/anchors/${i}/path: must not be longer than ${MAX_PATH_LENGTH} together with /path.`,
      )
    }
    const place = [one.chainId, one.registry, one.publisher, one.root].join(' ')
    const first = seen.get(place)
    if (first !== undefined) {
      throw new HoldfastError(
        'INVALID_RECEIPT',
        `/anchors/${i}: must not have the chainId, registry, publisher and root of /anchors/${first} again.`,
      )
    }
    seen.set(place, i)
  })
  return result
}

function parseText(text: string): unknown {
  try {
    return parseStrictJson(text)
  } catch (cause) {
    if (!(cause instanceof HoldfastError)) throw cause
    throw new HoldfastError('INVALID_RECEIPT', cause.message, { cause })
  }
}

function faultOf(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return 'The document is not a receipt.'
  const keys = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] as string] : issue.path
  const pointer = keys
    .map((key) => `/${String(key).slice(0, 64).replace(/~/g, '~0').replace(/\//g, '~1')}`)
    .join('')
  return `${pointer === '' ? 'The document' : pointer}: ${whatOf(issue)}.`
}

function whatOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return 'is not a key of a receipt'
  if (issue.code === 'invalid_type') return `must be there as ${issue.expected}`
  return issue.message
}

function hasChecksum(text: string): boolean {
  return /^0x[0-9a-fA-F]{40}$/.test(text) && getAddress(text.toLowerCase()) === text
}

function isInstant(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text)) return false
  const instant = new Date(text)
  return !Number.isNaN(instant.getTime()) && instant.toISOString() === text
}
