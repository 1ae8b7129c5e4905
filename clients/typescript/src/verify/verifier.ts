/** A receipt in, its {@link Verification} out, by whatever reads the chain. */
import { HoldfastError } from '../errors.ts'
import type { Receipt, ReceiptAnchor } from '../format.ts'
import { conclude, type Demand, type JudgedAnchor } from './conclude.ts'
import { checkAnchorPath, examine, type Subject } from './examine.ts'
import { parseReceipt } from './parse-receipt.ts'
import type { PathCheck } from './path.ts'
import { type AnchorReading, failed, type Verification } from './verification.ts'
import type { Vouching } from './vouching.ts'

export type VerifierParts = {
  /** What the chain says. Must not reject for what an endpoint does. */
  readAnchor(anchor: ReceiptAnchor): AnchorReading | Promise<AnchorReading>
  /** Implementations of the tree; all must agree. */
  pathChecks: readonly PathCheck[]
  vouching: Vouching
  demand: Demand
}

export type Verifier = {
  /** Answers at once when everything about the receipt's chains is known already. */
  verify(input: unknown, subject: Subject): Verification | Promise<Verification>
}

export function createVerifier({ readAnchor, pathChecks, vouching, demand }: VerifierParts): Verifier {
  function beforeChain(receipt: Receipt, anchor: ReceiptAnchor, isProven: boolean) {
    const path = checkAnchorPath(receipt, anchor, pathChecks)
    const origin = vouching.origin(anchor)
    const before = [path, ...origin.checks]
    if (!path.ok) return { anchor, before, reading: 'failed' as const }
    if (origin.outcome !== 'accepted') return { anchor, before, reading: origin.outcome }
    // Nothing that the chain says makes up for what is wrong already.
    return { anchor, before, reading: isProven ? readAnchor(anchor) : ('skipped' as const) }
  }

  return {
    verify(input, subject) {
      let receipt: Receipt
      try {
        receipt = parseReceipt(input)
      } catch (error) {
        if (!(error instanceof HoldfastError)) throw error
        return notAReceipt(error.message)
      }
      const own = examine(receipt, { pathChecks, subject })
      const isProven = own.every(({ name, ok }) => ok || (name !== 'leaf' && name !== 'path'))
      const judged = receipt.anchors.map((anchor) => beforeChain(receipt, anchor, isProven))
      const gaps = {
        subject: subject.hash === undefined && subject.record === undefined,
        publisher: receipt.anchors.some(({ chainId }) => !vouching.namesPublisher(chainId)),
      }
      const isRead = (one: (typeof judged)[number]): one is JudgedAnchor => !(one.reading instanceof Promise)
      if (judged.every(isRead)) return conclude(receipt, own, judged, { demand, gaps })
      return Promise.all(judged.map(async (one) => ({ ...one, reading: await one.reading }))).then((read) =>
        conclude(receipt, own, read, { demand, gaps }),
      )
    },
  }
}

function notAReceipt(detail: string): Verification {
  return {
    verdict: 'contradicted',
    reason: 'form',
    final: false,
    headline: `NOT VALID: ${detail}`,
    valid: false,
    conclusive: true,
    hash: null,
    checks: [failed('format', detail)],
    anchors: [],
    stated: [],
  }
}
