import type { HoldfastClient } from 'holdfast-client'
import { verifyReceipt } from 'holdfast-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Receipt } from '../../src/core/receipt.ts'
import { until } from '../support/wait.ts'
import { createServed, digest, type Served } from './served.ts'

let served: Served
let client: HoldfastClient

beforeAll(async () => {
  served = await createServed()
  client = (await served.start()).client
})
afterAll(() => served.close())

const isValid = async (receipt: Receipt) =>
  (await verifyReceipt(receipt, { rpc: () => served.anvil.url })).valid

/** The receipt once it satisfies the condition. */
function receiptWhen(hash: Buffer, condition: (receipt: Receipt) => boolean): Promise<Receipt> {
  return until(
    async () => {
      const answer = await client.receipt(hash)
      return answer?.kind === 'receipt' && condition(answer.receipt) ? answer.receipt : null
    },
    { within: 30_000, what: 'the receipt' },
  )
}

describe('a receipt', () => {
  it('whose block is reorged away is issued again with the new block', { timeout: 60_000 }, async () => {
    await client.push(digest(1))
    const first = await receiptWhen(digest(1), () => true)
    const { blockNumber, blockHash, transactionHash, root } = first.anchors[0]!
    await served.anvil.reorg((await served.anvil.blockNumber()) - blockNumber + 1)
    expect(await isValid(first)).toBe(false)

    const again = await receiptWhen(digest(1), ({ anchors }) => anchors[0]!.blockHash !== blockHash)
    expect(again.anchors[0]).toMatchObject({ root, transactionHash })
    expect(again.path).toEqual(first.path)
    expect(await isValid(again)).toBe(true)
  })

  it('that is finalized never changes', { timeout: 60_000 }, async () => {
    await client.push(digest(2))
    const final = await receiptWhen(digest(2), ({ anchors }) => anchors[0]!.status === 'finalized')
    await client.push(digest(3))
    await served.anvil.mine(20)
    await receiptWhen(digest(3), ({ anchors }) => anchors[0]!.status === 'finalized')
    expect(await client.receipt(digest(2))).toEqual({ kind: 'receipt', receipt: final })
    expect(await isValid(final)).toBe(true)
  })
})
