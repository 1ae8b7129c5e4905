import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HoldfastClient } from '../../src/client/client.ts'
import { verifyReceipt } from '../../src/verify/verify-receipt.ts'
import { createServed, digest, type Served } from './served.ts'

let served: Served

beforeEach(async () => {
  served = await createServed()
})
afterEach(() => served.close())

/** Every one of these hashes has a receipt that the chain confirms, and each root stands on the chain once. */
async function expectAllAnchoredOnce(client: HoldfastClient, hashes: readonly Buffer[]): Promise<void> {
  expect(hashes.length).toBeGreaterThan(0)
  const roots = new Set<string>()
  for (const hash of hashes) {
    const receipt = await client.waitForReceipt(hash, { timeoutMs: 30_000, pollMs: 100 })
    const root = receipt.anchors[0]!.root
    const { valid, checks } = await verifyReceipt(receipt, {
      rpc: () => served.anvil.url,
      hash: hash.toString('hex'),
    })
    expect(valid, JSON.stringify(checks.filter(({ ok }) => !ok))).toBe(true)
    roots.add(root)
  }
  const onChain = await served.rootsOnChain()
  for (const root of roots) expect(onChain.get(root), root).toBe(1)
  for (const [root, times] of onChain) expect(times, root).toBe(1)
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
      await expectAllAnchoredOnce(client, [...acknowledged.slice(0, 25), ...acknowledged.slice(-25)])
    }, 90_000)
  }
})

describe('while the chain is away', () => {
  it('ingest goes on, status says rpc_down, and anchoring catches up when it is back', {
    timeout: 90_000,
  }, async () => {
    const { client } = await served.start()
    await client.push(digest(1))
    await client.waitForReceipt(digest(1), { timeoutMs: 30_000, pollMs: 100 })
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

async function untilReason(client: HoldfastClient, hash: Buffer) {
  const deadline = performance.now() + 40_000
  for (;;) {
    const state = await client.record(hash)
    if (state?.reason || performance.now() > deadline) return state
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}
