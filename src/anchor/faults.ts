import type { Hindrance } from '../core/anchor-state.ts'
import { type ErrorCode, HoldfastError } from '../core/errors.ts'

/** Errors that end a pass without a word where people look: another daemon goes on, or nothing can be written. */
const SILENT: readonly ErrorCode[] = ['LEASE_LOST', 'DATABASE_UNAVAILABLE']

export function isLeaseLost(error: unknown): boolean {
  return error instanceof HoldfastError && error.code === 'LEASE_LOST'
}

/** What an error that ends a pass is called where people look for why nothing moves. */
export function faultHindrance(error: unknown): Hindrance | null {
  if (!(error instanceof HoldfastError)) {
    // Its message may hold anything, and auditors read this.
    return { reason: 'stuck', detail: 'A look at the chain failed for an unforeseen reason; the log has it.' }
  }
  if (SILENT.includes(error.code)) return null
  const isAway = error.code === 'CHAIN_UNAVAILABLE' || error.code === 'WRONG_CHAIN'
  return { reason: isAway ? 'rpc_down' : 'stuck', detail: error.message }
}
