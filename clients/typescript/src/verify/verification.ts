/** The words of a verdict. */
import type { Hex } from '../format.ts'

/**
 * `unknown`: nobody could tell. `accepted`: stored, not in a batch yet. `sealed`: in a batch, not on a chain yet.
 * `anchored`: a chain confirms it. `contradicted`: something is wrong; the reason says what.
 */
export type Verdict = 'unknown' | 'accepted' | 'sealed' | 'anchored' | 'contradicted'

/**
 * Why the verdict is not a plain `anchored`. `form`, `subject`, `path`: the document is at fault. `registry`,
 * `publisher`: nobody whom the auditor relies on vouches for it. `chain`: the chain says otherwise.
 * `endpoints_disagree`: one endpoint confirms what another denies. `unread`: no chain could be read. `not_final`,
 * `late`: anchored, but not as the auditor asked.
 */
export type VerdictReason =
  | 'form'
  | 'subject'
  | 'path'
  | 'registry'
  | 'publisher'
  | 'chain'
  | 'endpoints_disagree'
  | 'unread'
  | 'not_final'
  | 'late'

/**
 * One thing that was checked, in words for an auditor. `ok` is true for `passed` only. `unread`: neither right nor
 * wrong. `noted`: odd, and decides nothing.
 */
export type Check = {
  name: string
  ok: boolean
  state: 'passed' | 'failed' | 'unread' | 'noted'
  detail: string
}

/** What one endpoint says about an anchor. */
export type EndpointAnswer = {
  /** Its place among the endpoints given, and its host; never its path, user or password. */
  name: string
  outcome: 'confirmed' | 'denied' | 'unread'
  /** What it says, or why it could not be read. */
  detail: string
}

/** What the chain says about an anchor, by all endpoints that were asked. */
export type AnchorReading = {
  outcome: 'confirmed' | 'denied' | 'disagree' | 'unread'
  /** Whether the block is final now; null when no endpoint can tell. */
  final: boolean | null
  checks: Check[]
  endpoints: EndpointAnswer[]
}

export type VerifiedAnchor = {
  chainId: string
  root: Hex
  blockNumber: number
  blockTime: string
  /** As the chain says now; `unknown` when it was not read or denies the anchor. */
  status: 'mined' | 'finalized' | 'unknown'
  /** `refused`: its registry is not one that the auditor relies on, so the chain was not asked. */
  outcome: 'confirmed' | 'denied' | 'disagree' | 'unread' | 'refused'
  ok: boolean
  endpoints: EndpointAnswer[]
}

/** A value of the receipt that is Holdfast's word and that no chain proves. `field` is a JSON pointer. */
export type Stated = { field: string; value: string; detail: string }

export type Verification = {
  verdict: Verdict
  reason: VerdictReason | null
  /** An anchor that counts is in a block that its chain will not give up. */
  final: boolean
  /** One sentence or more for people: the verdict, and everything that was not looked at. */
  headline: string
  /** At least one anchor was checked whole, none failed, and what the auditor required holds. */
  valid: boolean
  /** False when asking again, or asking another endpoint, could change the verdict. */
  conclusive: boolean
  /** The receipt's record hash; null when the document is not a receipt. */
  hash: Hex | null
  checks: Check[]
  anchors: VerifiedAnchor[]
  stated: Stated[]
}

export function passed(name: string, detail: string): Check {
  return { name, ok: true, state: 'passed', detail }
}

export function failed(name: string, detail: string): Check {
  return { name, ok: false, state: 'failed', detail }
}

export function unread(name: string, detail: string): Check {
  return { name, ok: false, state: 'unread', detail }
}

export function noted(name: string, detail: string): Check {
  return { name, ok: false, state: 'noted', detail }
}
