import { randomBytes } from 'node:crypto'
import { verifyReceipt } from 'holdfast-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import { leafOf } from '../../src/merkle/path.ts'
import type { Anchor } from '../../src/store/chain/anchors.ts'
import { until } from '../support/wait.ts'
import { createStage, PUBLISHER, type Stage } from './support/harness.ts'
import { type Oddity, startOddEndpoint } from './support/oddities/endpoint.ts'
import { FAILING } from './support/oddities/failing.ts'
import { FEES } from './support/oddities/fees.ts'
import { FINALITY } from './support/oddities/finality.ts'
import { GAS_AND_NONCES } from './support/oddities/gas-and-nonces.ts'
import { SPELLING } from './support/oddities/spelling.ts'

/** As a receipt of a batch of one record, under an anchor of one batch. */
function receiptOf(hash: Buffer, anchor: Anchor): object {
  return {
    format: 'holdfast-receipt/1',
    tree: 'holdfast-keccak-v1',
    hash: toHex(hash),
    receivedAt: new Date().toISOString(),
    leaf: toHex(leafOf(hash)),
    batch: { id: String(anchor.firstBatch), leafIndex: 0, leafCount: 1, root: toHex(leafOf(hash)) },
    path: [],
    anchors: [
      {
        chainId: `eip155:${anchor.chainId}`,
        registry: anchor.registry,
        publisher: anchor.publisher,
        root: toHex(anchor.root),
        path: [],
        transactionHash: toHex(anchor.transactionHash!),
        blockNumber: anchor.blockNumber,
        blockHash: toHex(anchor.blockHash!),
        blockTime: anchor.blockTime!.toISOString(),
        status: anchor.state === 'finalized' ? 'finalized' : 'mined',
      },
    ],
  }
}

const TABLE = [...FINALITY, ...FEES, ...GAS_AND_NONCES, ...SPELLING, ...FAILING]

describe('an endpoint that answers oddly', () => {
  let stage: Stage
  let batch = 0
  beforeAll(async () => {
    stage = await createStage()
    // A chain as long as real ones: 64 confirmations are there before the first anchor.
    await stage.anvil.mine(70)
  })
  afterAll(() => stage.close())

  it('the table has sixty rows or more, each with a name of its own', () => {
    expect(TABLE.length).toBeGreaterThanOrEqual(60)
    expect(new Set(TABLE.map(({ name }) => name)).size).toBe(TABLE.length)
  })

  async function seal(): Promise<Buffer> {
    const hash = randomBytes(32)
    batch += 1
    await stage.pool.query(
      `insert into batch (id, leaf_count, root, first_received_at, last_received_at, first_index)
       values ($1, 1, $2, now(), now(), $3)`,
      [batch, leafOf(hash), batch],
    )
    return hash
  }

  async function expectAnchored(oddity: Oddity): Promise<void> {
    const endpoint = await startOddEndpoint(stage.anvil.url, oddity)
    const hash = await seal()
    const anchorer = await stage.anchorer({
      chain: { ...stage.chain, ...oddity.chain, rpcUrls: [endpoint.url] },
    })
    try {
      const own = async (state: string) => {
        const newest = (await stage.anchors()).at(-1)
        const isOwn = newest !== undefined && newest.firstBatch === batch
        return isOwn && newest.state === state ? newest : null
      }
      const within = 25_000
      await until(
        () =>
          anchorer.tick().then(
            () => true,
            () => false,
          ),
        { what: 'a tick', within },
      )
      await until(() => own('mined'), { what: `mined; status: ${JSON.stringify(anchorer.status())}`, within })
      await stage.anvil.mine(oddity.outcome === 'final by confirmations' ? 66 : 6)
      const anchor = await until(() => own('finalized'), { what: 'finalized', within })
      const verification = await verifyReceipt(receiptOf(hash, anchor), {
        rpc: { 31337: endpoint.url },
        publisher: PUBLISHER.address,
        hash: toHex(hash),
      })
      expect(verification).toMatchObject({ valid: true, verdict: 'anchored', final: true })
      expect(await stage.rootsOnChain()).toHaveProperty('size')
      expect((await stage.rootsOnChain()).get(toHex(anchor.root))).toBe(1)
    } finally {
      await anchorer.close()
      await endpoint.close()
    }
  }

  it.each(TABLE.filter(({ outcome }) => outcome !== 'not anchored'))(
    'still anchors: $name',
    expectAnchored,
    60_000,
  )

  it.each(TABLE.filter(({ outcome }) => outcome === 'not anchored'))(
    'is not believed: $name',
    async (oddity) => {
      const endpoint = await startOddEndpoint(stage.anvil.url, oddity)
      await seal()
      const before = (await stage.anchors()).filter(({ state }) => state === 'mined' || state === 'finalized')
      const chain = { ...stage.chain, rpcUrls: [endpoint.url] }
      const anchorer = await stage.anchorer({ chain }).catch((error: unknown) => error)
      try {
        if (anchorer instanceof Error) {
          expect(anchorer).toMatchObject({ code: 'WRONG_CHAIN' })
          return
        }
        const running = anchorer as Awaited<ReturnType<Stage['anchorer']>>
        await running.tick().catch(() => undefined)
        await until(() => running.status().reason !== null, { what: 'a reason' })
        const after = (await stage.anchors()).filter(
          ({ state }) => state === 'mined' || state === 'finalized',
        )
        expect(after).toHaveLength(before.length)
      } finally {
        if (!(anchorer instanceof Error)) await (anchorer as Awaited<ReturnType<Stage['anchorer']>>).close()
        await endpoint.close()
      }
    },
  )
})
