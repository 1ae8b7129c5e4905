/**
 * Receipts as this installation answers for them: it vouches for its own anchors and nobody else's. In: a receipt. Out:
 * the client's verification, each path checked by a second implementation too.
 *
 * The database says whether an anchor is ours and where it stands; the chain is then asked once per anchor and
 * {@link LOOK_KEPT_MS}, however many ask us. An anchor that is not ours, or not as the database has it, costs no call.
 */
import type { AnchorReading, Receipt, ReceiptAnchor, Verification } from 'holdfast-client'
import { openEndpoints } from 'holdfast-client/verify/endpoints'
import { parseReceipt } from 'holdfast-client/verify/parse-receipt'
import { createPathCheck } from 'holdfast-client/verify/path'
import { createAnchorReader } from 'holdfast-client/verify/read-anchor'
import { failed, passed, unread } from 'holdfast-client/verify/verification'
import { createVerifier } from 'holdfast-client/verify/verifier'
import { type Hex, toHex } from '../core/hash.ts'
import { createSecondPathCheck } from './check-path.ts'

/** An anchor of this installation, as its database has it. */
export type OwnAnchor = {
  id: number
  chainId: number
  registry: string
  publisher: string
  root: Buffer
  state: 'prepared' | 'submitted' | 'mined' | 'finalized'
  transactionHash: Buffer | null
  blockNumber: number | null
  blockHash: Buffer | null
  blockTime: Date | null
}

export type OwnVerifier = {
  /** Rejects only with what `findAnchors` throws. */
  verify(receipt: unknown): Promise<Verification>
  close(): void
}

const LOOK_KEPT_MS = 10_000
const LOOKS_KEPT = 1_024
const CALL_TIMEOUT_MS = 5_000

export function createOwnVerifier(deps: {
  /** This installation's anchors of any of these roots. */
  findAnchors(roots: readonly Buffer[]): Promise<OwnAnchor[]>
  rpcUrls(chainId: number): readonly string[] | undefined
  /** Milliseconds, for how long a look is kept. */
  now(): number
}): OwnVerifier {
  const limits = { timeoutMs: CALL_TIMEOUT_MS, namesHosts: false }
  const pool = openEndpoints(deps.rpcUrls, limits)
  const look = keptFor(LOOK_KEPT_MS, deps.now, createAnchorReader({ pool, require: 1 }))
  const pathChecks = [createPathCheck(), createSecondPathCheck()]
  /** Whether an anchor is ours is all that counts, and `read` finds it out. */
  const vouching = {
    origin: () => ({ checks: [], outcome: 'accepted' as const }),
    namesPublisher: () => true,
  }

  async function read(anchor: ReceiptAnchor, ours: Promise<OwnAnchor[]>): Promise<AnchorReading> {
    const same = (await ours).filter((own) => isSamePlace(own, anchor))
    const own = same.find((one) => differenceOf(one, anchor) === null) ?? same.at(-1)
    if (own === undefined) {
      return without(
        'unread',
        unread('chain', 'This installation has no such anchor, and vouches for its own only.'),
      )
    }
    if (own.state !== 'mined' && own.state !== 'finalized') {
      return without(
        'unread',
        unread('chain', `Anchor ${own.id} of this installation is in no block at the moment.`),
      )
    }
    const difference = differenceOf(own, anchor)
    if (difference !== null) {
      return without('denied', failed('known', `Anchor ${own.id} of this installation has ${difference}.`))
    }
    const reading = await look(own.id, anchor)
    return {
      ...reading,
      checks: [passed('known', `It is anchor ${own.id} of this installation.`), ...reading.checks],
    }
  }

  return {
    async verify(input) {
      const ours = lazily(() => deps.findAnchors(rootsOf(input)))
      const readAnchor = (anchor: ReceiptAnchor) => read(anchor, ours())
      const demand = { final: false, byMs: null }
      return createVerifier({ readAnchor, pathChecks, vouching, demand }).verify(input, {})
    },
    close: pool.close,
  }
}

function without(outcome: 'unread' | 'denied', check: AnchorReading['checks'][number]): AnchorReading {
  return { outcome, final: null, checks: [check], endpoints: [] }
}

function rootsOf(input: unknown): Buffer[] {
  const roots = new Set<Hex>(parseReceipt(input).anchors.map(({ root }: Receipt['anchors'][number]) => root))
  return [...roots].map((root) => Buffer.from(root.slice(2), 'hex'))
}

function isSamePlace(own: OwnAnchor, anchor: ReceiptAnchor): boolean {
  return (
    anchor.chainId === `eip155:${own.chainId}` &&
    anchor.registry === own.registry &&
    anchor.publisher === own.publisher &&
    anchor.root === toHex(own.root)
  )
}

/** What the database has otherwise; null for nothing. */
function differenceOf(own: OwnAnchor, anchor: ReceiptAnchor): string | null {
  const has = {
    transactionHash: own.transactionHash && toHex(own.transactionHash),
    blockNumber: own.blockNumber,
    blockHash: own.blockHash && toHex(own.blockHash),
    blockTime: own.blockTime?.toISOString(),
  }
  for (const key of ['transactionHash', 'blockNumber', 'blockHash', 'blockTime'] as const) {
    if (has[key] !== anchor[key]) return `${key} ${has[key]}, not ${anchor[key]}`
  }
  return null
}

function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}

/** Shares each anchor's reading while it is under way and for so long after it. */
function keptFor(
  keptMs: number,
  now: () => number,
  read: (anchor: ReceiptAnchor) => Promise<AnchorReading>,
): (id: number, anchor: ReceiptAnchor) => Promise<AnchorReading> {
  const kept = new Map<number, { at: number; reading: Promise<AnchorReading> }>()
  return (id, anchor) => {
    const known = kept.get(id)
    if (known !== undefined && now() - known.at < keptMs) return known.reading
    kept.delete(id)
    if (kept.size >= LOOKS_KEPT) kept.delete(kept.keys().next().value as number)
    const one = { at: Number.POSITIVE_INFINITY, reading: read(anchor) }
    kept.set(id, one)
    void one.reading.then(() => {
      one.at = now()
    })
    return one.reading
  }
}
