import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Hex } from '../../src/core/hash.ts'
import type { Receipt } from '../../src/core/receipt.ts'
import { recordHash } from '../../src/core/record-hash.ts'
import { leafOfHash } from '../../src/verify/check-path.ts'
import { verifyReceipt } from '../../src/verify/verify-receipt.ts'
import { startLittleServer } from '../client/little-server.ts'
import vectors from '../vectors/receipt.json' with { type: 'json' }
import { anchorTree, batchTree } from './make-receipt.ts'

/** A chain that knows nothing but the recorded answers. */
let chain: Awaited<ReturnType<typeof startLittleServer>>
beforeAll(async () => {
  chain = await startLittleServer(({ body }) => {
    const { id, method, params } = JSON.parse(body.toString()) as {
      id: number
      method: string
      params: unknown[]
    }
    const known = vectors.rpc.find(
      (one) => one.method === method && JSON.stringify(one.params) === JSON.stringify(params),
    )
    return { json: { jsonrpc: '2.0', id, result: known?.result ?? null } }
  })
})
afterAll(() => chain.close())

const verify = (receipt: unknown, record?: unknown) => {
  return verifyReceipt(receipt, { rpc: { 31337: chain.url }, ...(record !== undefined && { record }) })
}

function withValues(set: Record<string, unknown>): unknown {
  const copy = structuredClone(vectors.receipts[0]) as unknown as Receipt
  for (const [pointer, value] of Object.entries(set)) {
    const keys = pointer.split('/').slice(1)
    const last = keys.pop() as string
    // biome-ignore lint/suspicious/noExplicitAny: a document about to be broken has no type
    keys.reduce<any>((inner, key) => inner[key], copy)[last] = value
  }
  return copy
}

describe('the golden receipts', () => {
  it('are for the hashes, leaves and roots of their records', () => {
    const hashes = vectors.records.map((record): Hex => `0x${recordHash(record).toString('hex')}`)
    expect(hashes).toEqual(vectors.hashes)
    expect(hashes.map(leafOfHash)).toEqual(vectors.leaves)
    const tree = batchTree(hashes)
    const over = anchorTree(vectors.batchRoots as Hex[])
    expect(tree.root).toBe(vectors.batchRoots[1])
    for (const receipt of vectors.receipts) {
      expect(receipt.path).toEqual(tree.path(receipt.batch.leafIndex))
      expect(receipt.anchors[0]).toMatchObject({ root: over.root, path: over.path(1) })
    }
  })

  it('are valid for their records on their chain', async () => {
    for (const receipt of vectors.receipts) {
      const result = await verify(receipt, vectors.records[receipt.batch.leafIndex])
      expect(result).toMatchObject({ valid: true, conclusive: true, hash: receipt.hash })
      expect(result.checks.filter(({ ok }) => !ok)).toEqual([])
    }
  })

  it.each(vectors.changed)('are invalid with $name', async ({ set, fails }) => {
    const result = await verify(withValues(set))
    expect(result.valid).toBe(false)
    expect(result.checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(fails)
    const isOpen = fails.length === 1 && fails[0] === 'anchors[0].chain'
    expect(result.conclusive).toBe(!isOpen)
  })

  it.each(vectors.stated)('stay valid with $name, which is only stated', async ({ set }) => {
    const result = await verify(withValues(set))
    expect(result.valid).toBe(true)
    expect(result.stated.map(({ field }) => field)).toContain(Object.keys(set)[0])
  })
})
