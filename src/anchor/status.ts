import type { AnchorReason, AnchorState } from '../core/anchor-state.ts'
import type { ChainConfig } from '../core/chain-config.ts'
import { type Hex, toHex } from '../core/hash.ts'
import { readAccount } from '../store/chain/accounts.ts'
import {
  type Anchor,
  anchorBacklog,
  type Backlog,
  lastMinedAnchor,
  openAnchors,
} from '../store/chain/anchors.ts'
import type { Pool } from '../store/connection/database.ts'
import { describeFinality } from './final-head.ts'
import type { FinalHead } from './report.ts'
import type { EndpointHealth } from './rpc/endpoint.ts'

export type AnchorSummary = {
  id: number
  state: AnchorState
  root: Hex
  leafCount: number
  firstBatch: number
  lastBatch: number
  anchorBy: Date
  transactionHash: Hex | null
  blockNumber: number | null
  blockTime: Date | null
  gasUsed: number | null
  reason: AnchorReason | null
  detail: string | null
}

/** What "final" rests on, on this chain. */
export type FinalityStatus = {
  by: FinalHead['by']
  /** When this daemon first saw the newest final block that the chain tells. */
  since: Date | null
  stalled: boolean
  /** For people, where there is something to know: the chain does not tell, or finalizes nothing. */
  detail: string | null
}

export function finalityStatus(final: FinalHead, head: number): FinalityStatus {
  const { by, since, stalled } = final
  return { by, since, stalled, detail: describeFinality(final, head) }
}

/** How one chain's anchoring stands. `null` in what the chain would tell: it has not been asked, or not answered. */
export type ChainStatus = {
  chainId: number
  address: string
  registry: string
  mode: ChainConfig['mode']
  /** Whether this daemon is the one that anchors here. */
  leader: boolean
  head: number | null
  finalizedHead: number | null
  finality: FinalityStatus | null
  /** Wei, decimal. */
  balanceWei: string | null
  /** How many days that lasts at the pace of the last week; null while nothing was paid. */
  balanceDays: number | null
  nextNonce: number | null
  endpoints: EndpointHealth[]
  paused: { reason: string; detail: string; at: Date } | null
  /** When the oldest of what waits must be in a block; null when nothing waits. */
  anchorBy: Date | null
  /** Why what is waiting waits; null when nothing does, or nothing holds it. */
  reason: AnchorReason | null
  detail: string | null
  /** Newest in a block. */
  lastAnchor: AnchorSummary | null
  /** Oldest in no block. */
  inFlight: AnchorSummary | null
  /** Sealed and in no anchor yet. */
  backlog: Backlog | null
}

/** What the database has not been asked for yet. */
export const UNKNOWN = {
  nextNonce: null,
  paused: null,
  lastAnchor: null,
  inFlight: null,
  backlog: null,
  anchorBy: null,
} satisfies Partial<ChainStatus>

/** Fills in what the database knows; why the last look failed stays where the database knows no reason. */
export async function readChainStatus(pool: Pool, seen: ChainStatus): Promise<ChainStatus> {
  const account = await readAccount(pool, seen.chainId, seen.address)
  const last = await lastMinedAnchor(pool, seen.chainId)
  const moving = (await openAnchors(pool, seen.chainId)).find((anchor) => anchor.state !== 'mined')
  const paused = account?.pausedReason
  return {
    ...seen,
    nextNonce: account?.nextNonce ?? null,
    paused:
      paused == null
        ? null
        : { reason: paused, detail: account?.pausedDetail ?? '', at: account?.pausedAt ?? new Date(0) },
    reason: paused == null ? (moving?.reason ?? account?.waitingReason ?? seen.reason) : 'paused',
    detail:
      paused == null
        ? (moving?.detail ?? account?.waitingDetail ?? seen.detail)
        : (account?.pausedDetail ?? null),
    lastAnchor: last === null ? null : summaryOf(last),
    inFlight: moving === undefined ? null : summaryOf(moving),
    backlog: await anchorBacklog(pool, seen.chainId),
  }
}

function summaryOf(anchor: Anchor): AnchorSummary {
  const { id, state, leafCount, firstBatch, lastBatch, anchorBy, blockNumber, blockTime, gasUsed } = anchor
  return {
    id,
    state,
    root: toHex(anchor.root),
    leafCount,
    firstBatch,
    lastBatch,
    anchorBy,
    transactionHash: anchor.transactionHash === null ? null : toHex(anchor.transactionHash),
    blockNumber,
    blockTime,
    gasUsed,
    reason: anchor.reason,
    detail: anchor.detail,
  }
}
