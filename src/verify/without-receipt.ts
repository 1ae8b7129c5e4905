import type { Verification } from 'holdfast-client'
import type { RecordStatus } from '../core/anchor-state.ts'
import type { Hex } from '../core/hash.ts'

/**
 * The verdict on a hash that has no receipt: not valid, and not conclusive, since it may get one.
 * @param status null for an unknown record
 */
export function withoutReceipt(hash: Hex, status: RecordStatus | null, detail: string): Verification {
  return {
    verdict: status === null ? 'unknown' : status === 'accepted' ? 'accepted' : 'sealed',
    reason: null,
    final: false,
    headline: detail,
    valid: false,
    conclusive: false,
    hash,
    checks: [{ name: status === null ? 'known' : 'anchored', ok: false, state: 'unread', detail }],
    anchors: [],
    stated: [],
  }
}
