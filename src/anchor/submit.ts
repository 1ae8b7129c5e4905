/**
 * In: an anchor without a living transaction, or one that must be outbid. Out: signed bytes, on disk first, then sent.
 * Killed before the commit, nothing was signed that anyone saw and the nonce is still free; killed after it, the
 * follower finds the bytes and sends them. Nothing is signed twice for a nonce unless it pays more.
 */
import { Transaction } from 'ethers'
import type { ChainConfig } from '../core/chain-config.ts'
import { type Hex, toHex } from '../core/hash.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Clock, Logger } from '../core/ports.ts'
import { takeNonce } from '../store/chain/accounts.ts'
import { type Anchor, markSubmitted, setAnchorWish } from '../store/chain/anchors.ts'
import { type Attempt, type AttemptKind, insertAttempt, noteSending } from '../store/chain/attempts.ts'
import type { Connection, Pool } from '../store/connection/database.ts'
import { inLease } from '../store/connection/lease-transaction.ts'
import type { Lease } from '../store/connection/leases.ts'
import { anchorCall, registryOf } from './contract/registry.ts'
import type { Offer } from './fees/quote.ts'
import type { Endpoints } from './rpc/endpoints.ts'
import type { SendOutcome } from './rpc/send-outcome.ts'
import { type Signer, signChecked, type UnsignedTransaction } from './signers/signer.ts'

export type SubmitDeps = {
  pool: Pool
  lease: Lease
  chain: ChainConfig
  endpoints: Endpoints
  signer: Signer
  clock: Clock
  logger: Logger
  metrics: Metrics
  /** Awaited at named instants, for tests that kill or stop the process there. */
  faultPoint?: ((name: string) => Promise<void> | void) | undefined
}

/** What a transaction does. A no-op pays only to spend the nonce. */
export type Call = { to: string; data: Hex }
/** The same, and what it may burn. */
export type Payload = Call & { gasLimit: number }

export function callOf(anchor: Pick<Anchor, 'registry' | 'mode' | 'root'>): Call {
  return { to: anchor.registry, data: anchorCall(anchor.mode, anchor.root) }
}

/** The call of an anchor's first transaction: to the registry and in the mode that are configured now. */
export function firstCall(chain: ChainConfig, root: Buffer): Call {
  return callOf({ registry: registryOf(chain), mode: chain.mode, root })
}

/**
 * First transaction of a `prepared` anchor, on the account's next nonce.
 * @param payload of {@link firstCall}: an operator may have corrected registry and mode since the anchor was planned
 * @throws HoldfastError LEASE_LOST when the lease or the nonce was lost meanwhile; what the signer throws
 */
export async function submitAnchor(
  deps: SubmitDeps,
  anchor: Anchor,
  nonce: number,
  payload: Payload,
  offer: Offer,
): Promise<{ attempt: Attempt; outcome: SendOutcome }> {
  const { chain, signer } = deps
  const attempt = await signAndStore(deps, anchor, 'anchor', nonce, payload, offer, async (client) => {
    await takeNonce(client, chain.chainId, signer.address, nonce)
    await markSubmitted(client, anchor.id, {
      publisher: signer.address,
      registry: payload.to,
      mode: chain.mode,
    })
  })
  return { attempt, outcome: await sendAttempt(deps, attempt) }
}

/**
 * Another transaction on a nonce that is already this anchor's: the same call for more, or a no-op instead of it.
 * What an operator wished for the anchor is thereby done.
 * @throws HoldfastError LEASE_LOST; what the signer throws
 */
export async function outbid(
  deps: SubmitDeps,
  anchor: Anchor,
  kind: AttemptKind,
  nonce: number,
  payload: Payload,
  offer: Offer,
): Promise<{ attempt: Attempt; outcome: SendOutcome }> {
  const attempt = await signAndStore(deps, anchor, kind, nonce, payload, offer, async (client) => {
    if (anchor.wish !== null) await setAnchorWish(client, anchor.id, null)
  })
  return { attempt, outcome: await sendAttempt(deps, attempt) }
}

async function signAndStore(
  deps: SubmitDeps,
  anchor: Anchor,
  kind: AttemptKind,
  nonce: number,
  payload: Payload,
  offer: Offer,
  claim: (client: Connection) => Promise<void>,
): Promise<Attempt> {
  const { chain, signer } = deps
  const common = { chainId: chain.chainId, nonce, ...payload }
  const { legacy, maxFeePerGas, maxPriorityFeePerGas } = offer
  const unsigned: UnsignedTransaction = legacy
    ? { ...common, type: 0, gasPrice: maxFeePerGas }
    : { ...common, type: 2, maxFeePerGas, maxPriorityFeePerGas }
  const signed = await signChecked(signer, unsigned)
  await deps.faultPoint?.('attempt-signed')
  const attempt = await inLease(deps.pool, deps.lease, async (client) => {
    await claim(client)
    return insertAttempt(client, {
      anchorId: anchor.id,
      chainId: chain.chainId,
      address: signer.address,
      kind,
      nonce,
      raw: signed.raw,
      hash: signed.hash,
      maxFeePerGas,
      maxPriorityFeePerGas,
      gasLimit: payload.gasLimit,
    })
  })
  await deps.faultPoint?.('attempt-stored')
  return attempt
}

/** Sends the stored bytes, as often as need be: nodes know them by their hash. Notes what came of it. */
export async function sendAttempt(
  deps: Pick<SubmitDeps, 'pool' | 'lease' | 'endpoints' | 'clock' | 'logger' | 'metrics' | 'faultPoint'>,
  attempt: Attempt,
): Promise<SendOutcome> {
  await deps.faultPoint?.('before-send')
  const outcome = await deps.endpoints.send(attempt.raw)
  await deps.faultPoint?.('after-send')
  const state =
    outcome.kind === 'accepted' ? 'sent' : outcome.kind === 'refused' ? 'refused' : ('stored' as const)
  const error = outcome.kind === 'accepted' ? null : outcome.message.slice(0, 500)
  await inLease(deps.pool, deps.lease, (client) =>
    noteSending(client, attempt.id, new Date(deps.clock.now()), { state, error }),
  )
  const { chainId, anchorId, nonce } = attempt
  deps.metrics.count('holdfast_anchor_sends_total', 1, { chain: String(chainId), outcome: outcome.kind })
  const fields = { chainId, anchorId, nonce, outcome }
  if (outcome.kind === 'accepted') deps.logger.info(fields, 'anchor transaction sent')
  else deps.logger.warn(fields, 'anchor transaction not accepted')
  return outcome
}

/** What an attempt offered, read from its bytes. */
export function offerOf(attempt: Attempt): Offer {
  return {
    legacy: Transaction.from(toHex(attempt.raw)).type !== 2,
    maxFeePerGas: attempt.maxFeePerGas,
    maxPriorityFeePerGas: attempt.maxPriorityFeePerGas,
  }
}
