/**
 * Life of an anchor: `prepared` (root and members stored, nothing signed) → `submitted` (signed bytes stored, sent
 * or about to be) → `mined` → `finalized`. Every state before `finalized` may go back.
 */
export const ANCHOR_STATES = ['prepared', 'submitted', 'mined', 'finalized'] as const
export type AnchorState = (typeof ANCHOR_STATES)[number]

/** What an auditor sees of a record. `accepted`: committed, and not in a batch yet. */
export const RECORD_STATUSES = ['accepted', 'sealed', 'anchoring', 'anchored', 'finalized'] as const
export type RecordStatus = (typeof RECORD_STATUSES)[number]

/** Why an anchor is late or not moving. */
export const ANCHOR_REASONS = ['fee_cap', 'no_funds', 'rpc_down', 'paused', 'backlog', 'stuck'] as const
export type AnchorReason = (typeof ANCHOR_REASONS)[number]

/** Why something is not done now, as operators and auditors read it. */
export type Hindrance = { reason: AnchorReason; detail: string }

export function recordStatusOf(state: AnchorState | undefined): RecordStatus {
  if (state === undefined) return 'sealed'
  if (state === 'finalized') return 'finalized'
  return state === 'mined' ? 'anchored' : 'anchoring'
}
