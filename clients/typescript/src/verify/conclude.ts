/** Checks and readings in, the verdict out. Pure. */
import type { Receipt, ReceiptAnchor } from '../format.ts'
import { statedBy } from './examine.ts'
import { headlineOf } from './headline.ts'
import {
  type AnchorReading,
  type Check,
  noted,
  passed,
  type Verdict,
  type VerdictReason,
  type Verification,
  type VerifiedAnchor,
} from './verification.ts'

/** What the auditor requires beyond a valid receipt. */
export type Demand = {
  /** The block must be final. */
  final: boolean
  /** The block must not be later, in ms since the Unix epoch. */
  byMs: number | null
}

/** An anchor with its checks before the chain was asked, and what the chain says. */
export type JudgedAnchor = {
  anchor: ReceiptAnchor
  /** Names without the anchor's place in the receipt. */
  before: Check[]
  reading: AnchorReading | 'refused' | 'failed' | 'skipped'
}

/** What was not compared, for the headline. */
export type Gaps = { subject: boolean; publisher: boolean }

export function conclude(
  receipt: Receipt,
  own: Check[],
  judged: JudgedAnchor[],
  { demand, gaps }: { demand: Demand; gaps: Gaps },
): Verification {
  const checks = [...own]
  for (let i = 0; i < judged.length; i++) placeChecks(checks, judged[i] as JudgedAnchor, i)
  const anchors = judged.map(anchorOf)
  const verdict = verdictOf(checks, own, anchors, demand)
  const result = { ...verdict, headline: '', hash: receipt.hash, checks, anchors, stated: statedBy(receipt) }
  result.headline = headlineOf(result, {
    demand,
    gaps,
    publishers: receipt.anchors.map((one) => one.publisher),
  })
  return result
}

/** Adds the anchor's checks under its place in the receipt. */
function placeChecks(checks: Check[], { anchor, before, reading }: JudgedAnchor, i: number): void {
  const place = (check: Check) => ({ ...check, name: `anchors[${i}].${check.name}` })
  for (const check of before) checks.push(place(check))
  if (reading === 'skipped') {
    checks.push(place(notRead('the receipt does not prove the record under this root')))
  } else if (reading === 'refused' || reading === 'failed') {
    checks.push(place(notRead('it would be the word of a registry or publisher that nobody named')))
  } else {
    for (const check of placedReading(reading, i, place)) checks.push(check)
    if (reading.outcome === 'confirmed') checks.push(place(finalityCheck(anchor, reading.final)))
  }
}

/** A reading's checks are many receipts': they are placed once. */
const placedReadings = new WeakMap<AnchorReading, Check[][]>()

function placedReading(reading: AnchorReading, i: number, place: (check: Check) => Check): Check[] {
  const known = placedReadings.get(reading) ?? []
  if (known.length === 0) placedReadings.set(reading, known)
  known[i] ??= reading.checks.map(place)
  return known[i]
}

function notRead(why: string): Check {
  return { name: 'chain', ok: false, state: 'unread', detail: `Not read: ${why}.` }
}

function finalityCheck({ status }: ReceiptAnchor, final: boolean | null): Check {
  if (final === true) return passed('finality', 'The block is final.')
  const detail =
    final === null
      ? 'The chain does not tell whether the block is final.'
      : 'The block is not final yet: the chain could still drop it. Check again later.'
  if (status !== 'finalized') return passed('finality', detail)
  return noted('finality', `${detail} That it is final is only stated by the receipt.`)
}

function anchorOf({ anchor, reading }: JudgedAnchor): VerifiedAnchor {
  const { chainId, root, blockNumber, blockTime } = anchor
  const outcome =
    typeof reading !== 'string'
      ? reading.outcome
      : reading === 'skipped'
        ? 'unread'
        : reading === 'refused'
          ? 'refused'
          : 'denied'
  const isConfirmed = typeof reading !== 'string' && reading.outcome === 'confirmed'
  return {
    chainId,
    root,
    blockNumber,
    blockTime,
    status: isConfirmed ? (reading.final === true ? 'finalized' : 'mined') : 'unknown',
    outcome,
    ok: isConfirmed,
    endpoints: typeof reading === 'string' ? [] : reading.endpoints,
  }
}

type Judgement = Pick<Verification, 'verdict' | 'reason' | 'final' | 'valid' | 'conclusive'>

function verdictOf(checks: Check[], own: Check[], anchors: VerifiedAnchor[], demand: Demand): Judgement {
  const has = (outcome: VerifiedAnchor['outcome']) => anchors.some((anchor) => anchor.outcome === outcome)
  const not = (verdict: Verdict, reason: VerdictReason, conclusive: boolean, final = false): Judgement => {
    return { verdict, reason, final, valid: false, conclusive }
  }
  const fault = own.find(({ state }) => state === 'failed')
  if (fault !== undefined) return not('contradicted', reasonOf(fault.name), true)
  if (has('denied')) return not('contradicted', reasonOfDenied(checks, anchors), true)
  if (has('disagree')) return not('contradicted', 'endpoints_disagree', false)
  const confirmed = anchors.filter(({ ok }) => ok)
  if (confirmed.length === 0) {
    return has('unread') ? not('unknown', 'unread', false) : not('contradicted', 'registry', true)
  }
  const inTime = (anchor: VerifiedAnchor) =>
    demand.byMs === null || Date.parse(anchor.blockTime) <= demand.byMs
  const counted = confirmed.filter(inTime)
  const final = counted.some(({ status }) => status === 'finalized')
  if (counted.length === 0) {
    const couldBe = anchors.some((anchor) => anchor.outcome === 'unread' && inTime(anchor))
    return not(
      'anchored',
      couldBe ? 'unread' : 'late',
      !couldBe,
      confirmed.some(({ status }) => status === 'finalized'),
    )
  }
  if (demand.final && !final) return not('anchored', 'not_final', false)
  return { verdict: 'anchored', reason: null, final, valid: true, conclusive: !has('unread') }
}

/** The reason why the first denied anchor is. */
function reasonOfDenied(checks: Check[], anchors: VerifiedAnchor[]): VerdictReason {
  const i = anchors.findIndex(({ outcome }) => outcome === 'denied')
  const prefix = `anchors[${i}].`
  const fault = checks.find(({ name, state }) => state === 'failed' && name.startsWith(prefix))
  return reasonOf(fault?.name.slice(prefix.length) ?? '')
}

function reasonOf(checkName: string): VerdictReason {
  switch (checkName) {
    case 'format':
      return 'form'
    case 'hash':
    case 'record':
      return 'subject'
    case 'leaf':
    case 'path':
      return 'path'
    case 'registry':
    case 'publisher':
      return checkName
    default:
      return 'chain'
  }
}
