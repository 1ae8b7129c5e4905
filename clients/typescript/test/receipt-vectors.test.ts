import { describe, expect, it } from 'vitest'
import { anchorTree, batchTree } from '../../../test/verify/make-receipt.ts'
import type { Hex, PathCheck, Receipt, Verification, VerifyOptions, VerifySubject } from '../src/index.ts'
import { hashRecord, verifyReceipt } from '../src/index.ts'
import { leafOfHash } from '../src/verify/path.ts'
import {
  type Change,
  changed,
  startVectorChain,
  type VectorEndpoint,
  vectors,
} from './support/vector-chain.ts'

type Case = Change & {
  name: string
  reason: string | null
  options?: Partial<VerifyOptions & VerifySubject>
  require?: number
  endpoints?: VectorEndpoint[]
  verdict?: string
  final?: boolean
}

async function verify(receipt: unknown, one: Partial<Case> = {}): Promise<Verification> {
  const chain = await startVectorChain(one.endpoints ?? [[]])
  try {
    const rpc = { 31337: chain.urls }
    const require = one.require === undefined ? {} : { require: one.require }
    return await verifyReceipt(receipt, { rpc, timeoutMs: 5_000, ...require, ...one.options })
  } finally {
    await chain.close()
  }
}

const failures = ({ checks }: Verification) => checks.filter(({ state }) => state === 'failed')

describe('the golden receipts', () => {
  it('are for the hashes and leaves of their records', () => {
    expect(vectors.records.map(hashRecord)).toEqual(vectors.hashes)
    expect((vectors.hashes as Hex[]).map(leafOfHash)).toEqual(vectors.leaves)
    const tree = batchTree(vectors.hashes as Hex[])
    const over = anchorTree(vectors.batchRoots as Hex[])
    expect(tree.root).toBe(vectors.batchRoots[1])
    for (const receipt of vectors.receipts) {
      expect(receipt.path).toEqual(tree.path(receipt.batch.leafIndex))
      expect(receipt.anchors[0]).toMatchObject({ root: over.root, path: over.path(1) })
    }
  })

  it('are valid for their records on their chain', async () => {
    for (const receipt of vectors.receipts) {
      const result = await verify(receipt, { options: { record: vectors.records[receipt.batch.leafIndex] } })
      expect(result).toMatchObject({
        valid: true,
        conclusive: true,
        verdict: 'anchored',
        reason: null,
        final: false,
      })
      expect(result.checks.filter(({ ok }) => !ok)).toEqual([])
    }
  })

  it.each(vectors.invalid as unknown as Case[])('are invalid with $name', async (one) => {
    const result = await verify(changed(one), one)
    expect(result).toMatchObject({ valid: false, conclusive: true, reason: one.reason })
    expect(result.verdict).toBe(one.reason === 'late' ? 'anchored' : 'contradicted')
    if (one.reason !== 'late') expect(failures(result).length).toBeGreaterThan(0)
    expect(result.headline).toMatch(/^NOT VALID: ./)
  })

  it.each(vectors.stated as unknown as Case[])('stay valid with $name, which is only stated', async (one) => {
    const result = await verify(changed(one), one)
    expect(result).toMatchObject({ valid: true, verdict: 'anchored', reason: null })
    const statedFields = [...result.stated.map(({ field }) => field), '/anchors/0/status']
    expect(statedFields).toContain(Object.keys(one.set ?? {})[0])
  })
})

describe('the chains of the vectors', () => {
  it.each(vectors.chains as unknown as Case[])('$name', async (one) => {
    const { verdict, reason, final, ...result } = await verify(changed(one), one)
    expect({ verdict, reason, final }, result.headline).toEqual({
      verdict: one.verdict,
      reason: one.reason,
      final: one.final,
    })
    expect(result.valid).toBe(one.verdict === 'anchored' && one.reason === null)
  })
})

describe('a second implementation of the tree', () => {
  const agreeing: PathCheck = { leafOf: leafOfHash, isUnderRoot: () => true }

  it('that agrees changes nothing', async () => {
    const result = await verify(vectors.receipts[0], { options: { alsoCheckPath: agreeing } })
    expect(result.valid).toBe(true)
  })

  it('that disagrees makes the receipt invalid, and the detail says so', async () => {
    for (const alsoCheckPath of [
      { ...agreeing, isUnderRoot: () => false },
      { ...agreeing, leafOf: () => vectors.leaves[0] as Hex },
    ]) {
      const result = await verify(vectors.receipts[0], { options: { alsoCheckPath } })
      expect(result).toMatchObject({ valid: false, verdict: 'contradicted', reason: 'path' })
    }
    const wrong = { ...(vectors.receipts[0] as unknown as Receipt), path: vectors.receipts[1]!.path as Hex[] }
    const result = await verify(
      { ...wrong, path: [...wrong.path, wrong.leaf] },
      { options: { alsoCheckPath: agreeing } },
    )
    expect(failures(result)[0]?.detail).toContain('Two implementations of the tree disagree')
  })
})
