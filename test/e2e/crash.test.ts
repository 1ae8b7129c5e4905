import type { HoldfastClient } from 'holdfast-client'
import { verifyReceipt } from 'holdfast-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import type { Receipt, ReceiptAnchor } from '../../src/core/receipt.ts'
import { isUnderRoot, leafOfHash } from '../../src/verify/check-path.ts'
import { until } from '../support/wait.ts'
import { createServed, digest, type Served } from './served.ts'

let served: Served

beforeEach(async () => {
  served = await createServed()
})
afterEach(() => served.close())

/**
 * Every one of these hashes has a receipt that leads to a root which the chain confirms, and each root stands on the
 * chain once.
 */
async function expectAllAnchoredOnce(client: HoldfastClient, hashes: readonly Buffer[]): Promise<void> {
  expect(hashes.length).toBeGreaterThan(0)
  const confirmed = new Map<string, ReceiptAnchor>()
  for (const [i, receipt] of (await allReceipts(client, hashes)).entries()) {
    const hash = toHex(hashes[i]!)
    const anchor = receipt.anchors[0]!
    const known = confirmed.get(anchor.root)
    if (known === undefined) {
      const { valid, checks } = await verifyReceipt(receipt, { rpc: () => served.anvil.url, hash })
      expect(valid, JSON.stringify(checks.filter(({ ok }) => !ok))).toBe(true)
      confirmed.set(anchor.root, anchor)
    } else {
      // Where the root stands was confirmed with its first receipt; the rest of this one is its paths.
      expect({ ...anchor, path: [], status: '' }).toEqual({ ...known, path: [], status: '' })
      expect(receipt.hash).toBe(hash)
      expect(isUnderRoot(leafOfHash(hash), receipt.path, receipt.batch.root)).toBe(true)
      expect(isUnderRoot(receipt.batch.root, anchor.path, anchor.root)).toBe(true)
    }
  }
  const onChain = await served.rootsOnChain()
  for (const root of confirmed.keys()) expect(onChain.get(root), root).toBe(1)
  for (const [root, times] of onChain) expect(times, root).toBe(1)
}

/** The receipts of all the hashes, in their order, once each has one. */
function allReceipts(client: HoldfastClient, hashes: readonly Buffer[]): Promise<Receipt[]> {
  return until(
    async () => {
      const receipts: Receipt[] = []
      for await (const answer of client.receipts(hashes)) {
        if ('status' in answer) return null
        receipts.push(answer)
      }
      return receipts
    },
    { within: 30_000, every: 200, what: `the receipts of ${hashes.length} hashes` },
  )
}

/** Pushes single hashes, several at once, until the daemon is gone; the ones that were acknowledged. */
async function pushUntilGone(
  client: HoldfastClient,
  onAccepted: (accepted: number) => void,
): Promise<Buffer[]> {
  const acknowledged: Buffer[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    for (;;) {
      const hash = digest(next++)
      try {
        await client.push(hash)
      } catch {
        return
      }
      acknowledged.push(hash)
      onAccepted(acknowledged.length)
    }
  }
  await Promise.all(Array.from({ length: 8 }, lane))
  return acknowledged
}

describe('after kill -9', () => {
  it('while pushing, every acknowledged hash gets a valid receipt', { timeout: 90_000 }, async () => {
    const first = await served.start()
    const acknowledged = await pushUntilGone(first.client, (accepted) => {
      if (accepted === 300) first.run.kill('SIGKILL')
    })
    await first.run.exit()
    expect(acknowledged.length).toBeGreaterThanOrEqual(300)
    const { client } = await served.start()
    await expectAllAnchoredOnce(client, acknowledged)
  })

  for (const instant of [
    'seal-before-commit',
    'seal-after-commit',
    'merge-before-commit',
    'anchor-planned',
    'attempt-signed',
    'attempt-stored',
    'after-send',
  ]) {
    it(`at ${instant}, every acknowledged hash gets a valid receipt and each root is anchored once`, async () => {
      const first = await served.start({ faultPoint: instant })
      const acknowledged = await pushUntilGone(first.client, () => undefined)
      expect((await first.run.exit()).signal).toBe('SIGKILL')
      const { client } = await served.start()
      await expectAllAnchoredOnce(client, acknowledged)
    }, 90_000)
  }
})

describe('while the chain is away', () => {
  it('ingest goes on, status says rpc_down, and anchoring catches up when it is back', {
    timeout: 90_000,
  }, async () => {
    const { client } = await served.start()
    await client.push(digest(1))
    await client.waitFor(digest(1), 'anchored', { deadlineMs: 30_000, pollMs: 100 })
    process.kill(served.anvil.pid, 'SIGSTOP')
    try {
      await client.push(Buffer.concat([digest(2), digest(3)]))
      const state = await untilReason(client, digest(3))
      expect(state).toMatchObject({ reason: 'rpc_down' })
    } finally {
      process.kill(served.anvil.pid, 'SIGCONT')
    }
    await expectAllAnchoredOnce(client, [digest(1), digest(2), digest(3)])
  })
})

function untilReason(client: HoldfastClient, hash: Buffer) {
  return until(
    async () => {
      const state = await client.record(hash)
      return state?.reason ? state : null
    },
    { within: 40_000, every: 200, what: 'a reason' },
  )
}
