/** Everything about a receipt that needs no chain: its subject, its leaf, its paths, and its stated times. */
import { HoldfastError } from '../errors.ts'
import { type Hex, RECEIPT_FORMAT, type Receipt, type ReceiptAnchor } from '../format.ts'
import { hashRecord } from '../record-hash.ts'
import { type PathCheck, pathLengthOf } from './path.ts'
import { type Check, failed, noted, passed, type Stated } from './verification.ts'

/** A receipt's `receivedAt` this much after its block is not worth a note: clocks differ. */
const CLOCK_SKEW_MS = 300_000

const WELL_FORMED = passed('format', `A complete ${RECEIPT_FORMAT} document.`)
const RIGHT_LEAF = passed('leaf', 'The leaf is the double Keccak-256 of the hash.')

/** What the receipt must be for. */
export type Subject = {
  /** The record hash, checked. */
  hash?: Hex | undefined
  /** The record itself, a JSON value. */
  record?: unknown
}

/** What the checks need beside the receipt. All `pathChecks` must agree. */
export type Means = { pathChecks: readonly PathCheck[]; subject: Subject }

export function examine(receipt: Receipt, { pathChecks, subject }: Means): Check[] {
  const checks = [WELL_FORMED]
  if (subject.hash !== undefined) checks.push(checkHash(receipt, subject.hash))
  if (subject.record !== undefined) checks.push(checkRecord(receipt, subject.record))
  checks.push(checkLeaf(receipt, pathChecks), checkPath(receipt, pathChecks), checkReceivedAt(receipt))
  return checks
}

export function checkAnchorPath(
  { batch }: Receipt,
  anchor: ReceiptAnchor,
  pathChecks: readonly PathCheck[],
): Check {
  const verdict = isUnderRoot(batch.root, anchor.path, anchor.root, pathChecks)
  if (verdict === 'disputed') return failed('path', DISPUTED)
  return verdict
    ? passed('path', `The path leads from the batch root to the anchored root ${anchor.root}.`)
    : failed('path', `The path does not lead from the batch root to the anchored root ${anchor.root}.`)
}

function checkHash(receipt: Receipt, hash: Hex): Check {
  return hash === receipt.hash
    ? passed('hash', 'The receipt is for the hash asked about.')
    : failed('hash', `The receipt is for ${receipt.hash}, not for ${hash}, the hash asked about.`)
}

function checkRecord(receipt: Receipt, record: unknown): Check {
  let hash: Hex
  try {
    hash = hashRecord(record)
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    return failed('record', `The record has no canonical form. ${error.message}`)
  }
  return hash === receipt.hash
    ? passed('record', `The record's SHA-256 is ${hash}, which the receipt is for.`)
    : failed(
        'record',
        `The record's SHA-256 is ${hash}; the receipt is for ${receipt.hash}: another or altered record.`,
      )
}

function checkLeaf(receipt: Receipt, pathChecks: readonly PathCheck[]): Check {
  return pathChecks.every(({ leafOf }) => leafOf(receipt.hash) === receipt.leaf)
    ? RIGHT_LEAF
    : failed('leaf', 'The leaf is not the double Keccak-256 of the hash.')
}

function checkPath({ batch, path, leaf }: Receipt, pathChecks: readonly PathCheck[]): Check {
  const length = pathLengthOf(batch.leafIndex, batch.leafCount)
  if (path.length !== length) {
    const where = `leaf ${batch.leafIndex} of ${batch.leafCount}`
    return failed('path', `The path has ${path.length} siblings; ${where} has ${length}.`)
  }
  const verdict = isUnderRoot(leaf, path, batch.root, pathChecks)
  if (verdict === 'disputed') return failed('path', DISPUTED)
  return verdict
    ? passed('path', `The path leads from the leaf to the batch root ${batch.root}.`)
    : failed('path', `The path does not lead from the leaf to the batch root ${batch.root}.`)
}

const DISPUTED = 'Two implementations of the tree disagree about this path. Please report this receipt.'

function isUnderRoot(
  node: Hex,
  path: readonly Hex[],
  root: Hex,
  pathChecks: readonly PathCheck[],
): boolean | 'disputed' {
  const [first, ...others] = pathChecks.map((check) => check.isUnderRoot(node, path, root))
  return others.some((other) => other !== first) ? 'disputed' : (first ?? false)
}

/** Holdfast's clock decides nothing: a time after the block is worth a note. */
function checkReceivedAt({ receivedAt, anchors }: Receipt): Check {
  const received = Date.parse(receivedAt)
  const early = anchors.find((anchor) => received > Date.parse(anchor.blockTime) + CLOCK_SKEW_MS)
  if (early === undefined) {
    return passed(
      'receivedAt',
      `Holdfast states that it received the hash at ${receivedAt}, which is possible.`,
    )
  }
  const detail = `Holdfast states that it received the hash at ${receivedAt}, after the block of ${early.blockTime} that holds it: a clock was wrong. The block's time counts.`
  return noted('receivedAt', detail)
}

const WITHIN = 'Only as far as the length of the path fixes it.'

export function statedBy({ receivedAt, batch }: Receipt): Stated[] {
  return [
    {
      field: '/receivedAt',
      value: receivedAt,
      detail: "Holdfast's own clock; the proof is the block's time.",
    },
    { field: '/batch/id', value: batch.id, detail: "Holdfast's own number of the batch." },
    {
      field: '/batch/root',
      value: batch.root,
      detail: 'Where the batch ends on the way from the leaf to the anchored root.',
    },
    { field: '/batch/leafIndex', value: String(batch.leafIndex), detail: WITHIN },
    { field: '/batch/leafCount', value: String(batch.leafCount), detail: WITHIN },
  ]
}
