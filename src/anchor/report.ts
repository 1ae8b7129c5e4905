/** What a look at the chain saw, for the status and for the next look. */
import type { Finality } from 'holdfast-client/finality'

/** How an anchor's block becomes final on this chain. */
export type FinalHead = Finality & {
  /** When this daemon first saw this number; null while the chain tells none. */
  since: Date | null
  /** The chain went on for an hour and finalized nothing. */
  stalled: boolean
  /** What the endpoint said in the place of a final block. */
  said: string | null
}

/** What looks remember of finality. All of it may be lost. */
export type FinalityMemory = {
  /** Newest block that the chain has told to be final, and how the chain stood then. */
  told: { number: number; at: number; head: number } | null
  /** Since when the endpoints have answered other questions, and not this one (ms since the epoch). */
  unansweredSince: number | null
  /** What was logged last. */
  logged: string | null
}

export type PassReport = {
  head: number
  finality: FinalHead
  /** Wei; null where the endpoint does not tell it. */
  balance: bigint | null
  /** How long that lasts at the pace of the last week; null while nothing was paid. */
  balanceDays: number | null
  /** Something is not final, or due: look again soon. */
  busy: boolean
}
