import type { Hindrance } from '../core/anchor-state.ts'
import type { ChainConfig } from '../core/chain-config.ts'
import type { Hex } from '../core/hash.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Clock, Logger } from '../core/ports.ts'
import type { Pool } from '../store/connection/database.ts'
import type { Lease } from '../store/connection/leases.ts'
import type { FeeMemory } from './fees/fee-memory.ts'
import type { GasEstimate } from './fees/gas-limit.ts'
import type { AnchorTree } from './plan.ts'
import type { FinalityMemory, PassReport } from './report.ts'
import type { Endpoints } from './rpc/endpoints.ts'
import type { Signer } from './signers/signer.ts'

/** Something an auditor or an operator may want to hear of, told after it is committed. */
export type AnchorEvent =
  | ({ type: 'anchored' | 'finalized'; transactionHash: Hex; blockNumber: number } & AnchorOfEvent)
  | ({ type: 'reorged' } & AnchorOfEvent)
  | { type: 'paused'; chainId: number; address: string; reason: PauseReason; detail: string }

type AnchorOfEvent = {
  chainId: number
  anchorId: number
  root: Hex
  /** The batches that it holds, both inclusive. */
  firstBatch: number
  lastBatch: number
}

/** A contradiction that Holdfast does not resolve by itself. */
export type PauseReason =
  | 'key_used_elsewhere'
  | 'finality_contradicted'
  | 'nonce_gap'
  | 'reverted'
  | 'operator'

/** What every part of one chain's anchoring is given while the lease is held. */
export type AnchorContext = {
  pool: Pool
  lease: Lease
  chain: ChainConfig
  /** EIP-55. */
  registry: string
  endpoints: Endpoints
  signer: Signer
  anchorTree: AnchorTree
  /** When a record received then must be anchored; both in ms since the epoch. */
  anchorByOf: (receivedAtMs: number) => number
  clock: Clock
  logger: Logger
  metrics: Metrics
  onEvent: (event: AnchorEvent) => void
  /** Awaited at named instants, for tests that kill or stop the process there. */
  faultPoint?: ((name: string) => Promise<void> | void) | undefined
  memory: AnchorMemory
}

/** What a leader remembers between passes. All of it may be lost: a new leader starts with an empty one. */
export type AnchorMemory = {
  /** A tick came, and what it asked for is not planned yet. */
  due: boolean
  /** Anchors whose bytes have been sent since the lease was taken, by id. */
  sent: Set<number>
  registrySeen: boolean
  finality: FinalityMemory
  /** What the last look saw that asked for everything; null while something is open or due. */
  lastWholeLook: { report: PassReport; at: number; state: string } | null
  /** The endpoint whose first block was last found to be the chain's. */
  genesisSeen: string | null
  /** The chain is not a rollup of the OP stack. */
  noDataFee: boolean
  /** Questions that anchoring does without and that failed, and when they may be asked again (ms since the epoch). */
  unanswered: Map<string, { why: string; askAgainAt: number }>
  fees: FeeMemory
  /** What the call needs, for which sender and call, and after which failed attempt it was asked. */
  gas: { key: string; estimate: GasEstimate; at: number; newestFailure: number } | null
  /** Times in a row that an endpoint did not answer the question for gas. */
  unestimated: number
  /** The account's balance, and when it was asked for (ms since the epoch). */
  balance: { wei: bigint; at: number } | null
  /** What the account pays a day, and when that was reckoned (ms since the epoch). */
  dailyFees: { wei: bigint | null; at: number } | null
  /** What one answer said and waits for a second one: since which head. */
  findings: Map<string, number>
  /** Head when an attempt was signed, by attempt id: what was spent by then was not spent by it. */
  signedAtHead: Map<number, number>
  /** The chain waits for a nonce that has been used up here; at which head that was first seen, and when bytes were sent. */
  nonceGap: { nonce: number; sinceHead: number; sentAt: number | null; hindrance: Hindrance } | null
  /** Head at which the account was first seen past a living attempt's nonce, by anchor id. */
  spentAtHead: Map<number, number>
  /** Head when an attempt was first looked at, by attempt id: no block since means that a raise would be in vain. */
  firstSeenAtHead: Map<number, number>
}

export function emptyMemory(): AnchorMemory {
  return {
    due: false,
    sent: new Set(),
    registrySeen: false,
    finality: { told: null, unansweredSince: null, logged: null },
    lastWholeLook: null,
    genesisSeen: null,
    noDataFee: false,
    unanswered: new Map(),
    fees: { legacyOnly: false, demands: {}, tipOverLimit: null },
    findings: new Map(),
    signedAtHead: new Map(),
    gas: null,
    unestimated: 0,
    balance: null,
    dailyFees: null,
    nonceGap: null,
    spentAtHead: new Map(),
    firstSeenAtHead: new Map(),
  }
}
