import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  changed,
  startVectorChain,
  type VectorChain,
  vectors,
} from '../../clients/typescript/test/support/vector-chain.ts'
import { createOwnVerifier, type OwnAnchor, type OwnVerifier } from '../../src/verify/own-anchors.ts'

const [receipt] = vectors.receipts
const anchor = receipt!.anchors[0]!
const OTHER = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const bytes = (hex: string) => Buffer.from(hex.slice(2), 'hex')
/** eth_chainId once, then five questions an anchor. */
const CALLS_A_LOOK = 5

/** The vectors' anchor as the database would have it. */
const row: OwnAnchor = {
  id: 7,
  chainId: 31337,
  registry: anchor.registry,
  publisher: anchor.publisher,
  root: bytes(anchor.root),
  state: 'mined',
  transactionHash: bytes(anchor.transactionHash),
  blockNumber: anchor.blockNumber,
  blockHash: bytes(anchor.blockHash),
  blockTime: new Date(anchor.blockTime),
}

let chain: VectorChain
let verifier: OwnVerifier
let nowMs = 0
let rows: OwnAnchor[]
let lookUps = 0

beforeEach(async () => {
  chain = await startVectorChain([[]])
  nowMs = 1_000_000
  rows = [row]
  lookUps = 0
  verifier = createOwnVerifier({
    findAnchors: async (roots) => {
      lookUps++
      return rows.filter((one) => roots.some((root) => root.equals(one.root)))
    },
    rpcUrls: (chainId) => (chainId === 31337 ? chain.urls : undefined),
    now: () => nowMs,
  })
})
afterEach(async () => {
  verifier.close()
  await chain.close()
})

describe('receipts of own anchors', () => {
  it('are looked at on the chain once in 10 s, however many ask at once and one after another', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => verifier.verify(receipt)))
    for (const answer of answers) expect(answer).toMatchObject({ valid: true, verdict: 'anchored' })
    expect(chain.calls()).toHaveLength(1 + CALLS_A_LOOK)
    nowMs += 9_999
    expect((await verifier.verify(vectors.receipts[1])).valid).toBe(true)
    expect(chain.calls()).toHaveLength(1 + CALLS_A_LOOK)
    nowMs += 1
    expect((await verifier.verify(receipt)).valid).toBe(true)
    expect(chain.calls()).toHaveLength(1 + 2 * CALLS_A_LOOK)
    expect(lookUps).toBe(52)
  })

  it('of either publisher are valid after a rotation', async () => {
    rows = [{ ...row, id: 6, publisher: OTHER }, row]
    expect((await verifier.verify(receipt)).valid).toBe(true)
    const rotated = await verifier.verify(changed({ set: { '/anchors/0/publisher': OTHER } }))
    expect(rotated).toMatchObject({ valid: false, verdict: 'contradicted', reason: 'chain' })
    expect(rotated.checks.find(({ name }) => name === 'anchors[0].known')).toMatchObject({ ok: true })
  })

  it('name no endpoint by its host', async () => {
    expect(JSON.stringify(await verifier.verify(receipt))).not.toContain('127.0.0.1')
  })

  it('are undecided while the anchor is in no block', async () => {
    rows = [{ ...row, state: 'submitted' }]
    expect(await verifier.verify(receipt)).toMatchObject({
      valid: false,
      verdict: 'unknown',
      conclusive: false,
    })
    expect(chain.calls()).toEqual([])
  })
})

describe('receipts of other anchors', () => {
  it('cost no call, and are undecided', async () => {
    const anchors = Array.from({ length: 32 }, (_, i) => ({ ...anchor, chainId: `eip155:${i + 1}` }))
    const foreign = [
      { '/anchors/0/registry': OTHER },
      { '/anchors/0/publisher': OTHER },
      { '/anchors/0/chainId': 'eip155:1' },
      { '/anchors': anchors },
      { '/receivedAt': '1999-01-01T00:00:00.000Z', '/anchors/0/publisher': OTHER },
    ]
    for (const set of foreign) {
      const answer = await verifier.verify(changed({ set }))
      expect(answer).toMatchObject({ valid: false, conclusive: false, verdict: 'unknown', reason: 'unread' })
    }
    rows = []
    expect(await verifier.verify(receipt)).toMatchObject({ valid: false, verdict: 'unknown' })
    expect(chain.calls()).toEqual([])
  })

  it('that change one of ours cost no call, and are contradicted', async () => {
    for (const set of [
      { '/anchors/0/transactionHash': anchor.blockHash },
      { '/anchors/0/blockNumber': 3 },
      { '/anchors/0/blockHash': anchor.transactionHash },
      { '/anchors/0/blockTime': '2026-01-01T00:05:01.000Z' },
    ]) {
      expect(await verifier.verify(changed({ set }))).toMatchObject({
        verdict: 'contradicted',
        reason: 'chain',
      })
    }
    expect(chain.calls()).toEqual([])
  })

  it('that prove nothing cost no look-up either', async () => {
    for (const set of [{ '/leaf': anchor.root }, { '/format': 'x' }, { '/batch/root': anchor.root }]) {
      expect(await verifier.verify(changed({ set }))).toMatchObject({ verdict: 'contradicted', valid: false })
    }
    expect(lookUps).toBe(0)
  })

  it('beside one of ours are named as not looked at', async () => {
    const answer = await verifier.verify(
      changed({ set: { '/anchors': [anchor, { ...anchor, chainId: 'eip155:1' }] } }),
    )
    expect(answer).toMatchObject({ valid: true, conclusive: false })
    expect(answer.headline).toMatch(/^VALID on 1 of 2 anchors; eip155:1 was not read/)
  })
})
