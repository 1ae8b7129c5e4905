import fc from 'fast-check'
import keccak256 from 'keccak256'
import { MerkleTree } from 'merkletreejs'
import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import { anchorTree } from '../../src/merkle/anchor-tree.ts'
import { foldPath } from '../../src/merkle/path.ts'
import vectors from '../vectors/tree-raw.json' with { type: 'json' }
import { buildBatch, nodesIn, recordHashes } from './batch.ts'

/** keccak256 of the first n letters, sorted. */
function letters(n: number): Buffer {
  const nodes = Array.from({ length: n }, (_, i) => keccak256(Buffer.from([0x61 + i])))
  return Buffer.concat(nodes.sort(Buffer.compare))
}

describe('golden vectors', () => {
  test('keccak256 of nothing', () => {
    expect(toHex(keccak256(Buffer.alloc(0)))).toBe(vectors.empty)
  })

  test.each(Object.entries(vectors.roots))('the tree over %s raw nodes', (n, root) => {
    const nodes = letters(Number(n))
    const tree = anchorTree(nodes)
    expect(toHex(tree.root)).toBe(root)
    for (const [i, node] of nodesIn(nodes).entries()) {
      expect(toHex(foldPath(node, tree.pathOf(i)))).toBe(root)
    }
  })

  test('a lone node is never duplicated', () => {
    const { n, root } = vectors.duplicateOdd
    const nodes = letters(n)
    const duplicated = anchorTree(Buffer.concat([nodes, nodes.subarray(-32)]))
    expect(toHex(duplicated.root)).toBe(root)
    expect(toHex(anchorTree(nodes).root)).not.toBe(root)
  })
})

test('root and every path of random anchors equal merkletreejs', () => {
  const size = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 2000 }))
  fc.assert(
    fc.property(size, fc.integer(), (n, seed) => {
      const roots = recordHashes(n, seed)
      const nodes = nodesIn(roots)
      const reference = new MerkleTree(nodes, keccak256, { sortPairs: true })
      const tree = anchorTree(roots)
      expect(tree.root.equals(reference.getRoot())).toBe(true)
      for (const [i, node] of nodes.entries()) {
        const path = tree.pathOf(i)
        expect(path.map(toHex)).toEqual(reference.getHexProof(node, i))
        expect(foldPath(node, path).equals(tree.root)).toBe(true)
      }
    }),
    { numRuns: 25 },
  )
}, 60_000)

test('the anchor of one batch has that batch\u2019s root and no path', () => {
  const root = recordHashes(1)
  const tree = anchorTree(root)
  expect(tree.root).toEqual(root)
  expect(tree.pathOf(0)).toEqual([])
})

test('an anchor of 100,001 batches has a path for each', () => {
  const n = 100_001
  const roots = recordHashes(n)
  const tree = anchorTree(roots)
  for (const i of [0, 1, 8191, 8192, 8193, 65_535, 65_536, 99_999, 100_000]) {
    expect(foldPath(roots.subarray(i * 32, i * 32 + 32), tree.pathOf(i))).toEqual(tree.root)
  }
})

test('a leaf\u2019s path and its batch\u2019s path, joined, lead from the leaf to the anchored root', () => {
  const batches = [1, 3, 300, 257].map((n, i) => ({ n, ...buildBatch(recordHashes(n, i)) }))
  const tree = anchorTree(Buffer.concat(batches.map((batch) => batch.root)))
  for (const [b, { n, pathOf }] of batches.entries()) {
    const { leaf, path } = pathOf(n - 1)
    expect(foldPath(leaf, [...path, ...tree.pathOf(b)])).toEqual(tree.root)
  }
})

test('the caller\u2019s bytes and earlier answers are not shared', () => {
  const roots = recordHashes(4)
  const tree = anchorTree(roots)
  const root = Buffer.from(tree.root)
  const path = tree.pathOf(1)
  roots.fill(0)
  path[0]!.fill(0)
  expect(foldPath(recordHashes(4).subarray(32, 64), tree.pathOf(1))).toEqual(root)
})

test('no roots, part of a root, and a batch that is not there are refused', () => {
  expect(() => anchorTree(new Uint8Array(0))).toThrow(expect.objectContaining({ code: 'EMPTY' }))
  expect(() => anchorTree(new Uint8Array(40))).toThrow(expect.objectContaining({ code: 'INVALID_HASH' }))
  const tree = anchorTree(recordHashes(2))
  for (const index of [-1, 2, 0.5]) {
    expect(() => tree.pathOf(index)).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
  }
})
