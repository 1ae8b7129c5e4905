import { StandardMerkleTree } from '@openzeppelin/merkle-tree'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import { foldPath, leafOf, tilesOfPath } from '../../src/merkle/path.ts'
import { buildBatch, nodesIn, recordHashes, referenceLeaf } from './batch.ts'

test('a leaf is the double keccak of its hash', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (hash) => {
      expect(leafOf(hash)).toEqual(referenceLeaf(Buffer.from(hash)))
    }),
  )
})

test('a path reads one tile a level', () => {
  expect(tilesOfPath(0, 1)).toEqual([{ level: 0, index: 0 }])
  expect(tilesOfPath(255, 256)).toEqual([{ level: 0, index: 0 }])
  expect(tilesOfPath(256, 257)).toEqual([
    { level: 0, index: 1 },
    { level: 8, index: 0 },
  ])
  expect(tilesOfPath(2 ** 32 - 2, 2 ** 32 - 1)).toEqual([
    { level: 0, index: 2 ** 24 - 1 },
    { level: 8, index: 2 ** 16 - 1 },
    { level: 16, index: 255 },
    { level: 24, index: 0 },
  ])
})

test.each([
  [-1, 1],
  [1, 1],
  [0.5, 1],
  [0, 0],
  [0, 2 ** 32],
])('leaf %d of %d does not exist', (leafIndex, leafCount) => {
  expect(() => tilesOfPath(leafIndex, leafCount)).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
})

test('a path with any bit changed leads elsewhere', () => {
  const n = 700
  const { root, pathOf } = buildBatch(recordHashes(n))
  fc.assert(
    fc.property(fc.nat(n - 1), fc.nat(), fc.nat(255), (i, which, bit) => {
      const { leaf, path } = pathOf(i)
      const nodes = [leaf, ...path]
      expect(foldPath(leaf, path)).toEqual(root)
      const changed = nodes[which % nodes.length]!
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(foldPath(leaf, path)).not.toEqual(root)
    }),
  )
})

describe('damaged tiles are noticed', () => {
  const n = 70_000
  const { root, pathOf } = buildBatch(recordHashes(n))
  type Change = (nodes: Uint8Array) => Uint8Array
  const damaged = (where: string, what: 'nodes' | 'groupRoots' | 'whole', change: Change) => () =>
    pathOf(
      300,
      (id, part) => {
        const field = what === 'groupRoots' ? what : 'nodes'
        return id === where ? { ...part, [field]: change(Uint8Array.from(part[field])) } : part
      },
      what === 'whole' ? 'whole' : 'groups',
    )

  test('a tile that is too short or too long', () => {
    for (const where of ['0/1', '8/0', '16/0']) {
      for (const change of [
        (nodes: Uint8Array) => nodes.subarray(32),
        (nodes: Uint8Array) => Buffer.concat([nodes, nodes.subarray(0, 32)]),
      ]) {
        const refused = (message: RegExp) =>
          expect.objectContaining({ code: 'INTERNAL', message: expect.stringMatching(message) })
        expect(damaged(where, 'whole', change)).toThrow(refused(/holds/))
        if (where === '16/0') continue
        for (const what of ['nodes', 'groupRoots'] as const) {
          expect(damaged(where, what, change)).toThrow(refused(/holds|8\/0 contradicts its group roots/))
        }
      }
    }
  })

  test('a tile with a flipped bit, wherever it is', () => {
    const flip = (at: number) => (nodes: Uint8Array) => {
      nodes[at]! ^= 1
      return nodes
    }
    for (const at of [0, 32]) {
      expect(damaged('0/1', 'whole', flip(at))).toThrow(/contradicts the tile below/)
      expect(damaged('8/0', 'whole', flip(at))).toThrow(/contradicts the tile below/)
      expect(damaged('0/1', 'nodes', flip(at))).toThrow(/0\/1 contradicts its group root 1/)
      expect(damaged('0/1', 'groupRoots', flip(32))).toThrow(/contradicts its group root 1/)
      expect(damaged('8/0', 'groupRoots', flip(0))).toThrow(/8\/0 contradicts its group roots/)
    }
    expect(damaged('0/1', 'groupRoots', flip(0))).toThrow(/8\/0 contradicts the tile below/)
    expect(damaged('8/0', 'nodes', flip(32))).toThrow(/8\/0 contradicts its group roots/)
    expect(damaged('16/0', 'nodes', flip(0))).toThrow(/contradicts the tile below/)
    // Nothing above the highest tile but the batch's root.
    expect(damaged('16/0', 'nodes', flip(32))().root).not.toEqual(root)
  })
})

test('a path longer than 64 is invalid', () => {
  const [node] = nodesIn(recordHashes(1))
  expect(foldPath(node!, Array(64).fill(node)).length).toBe(32)
  expect(() => foldPath(node!, Array(65).fill(node))).toThrow(
    expect.objectContaining({ code: 'INVALID_RECEIPT' }),
  )
})

test('nodes that are not 32 bytes are refused', () => {
  const [node] = nodesIn(recordHashes(1))
  const refused = expect.objectContaining({ code: 'INVALID_HASH' })
  expect(() => leafOf(Buffer.alloc(31))).toThrow(refused)
  expect(() => foldPath(Buffer.alloc(33), [])).toThrow(refused)
  expect(() => foldPath(node!, [Buffer.alloc(64)])).toThrow(refused)
})

test('a node shown as a record hash, with the shortened path above it, proves nothing', () => {
  const n = 64
  const { root, pathOf } = buildBatch(recordHashes(n))
  for (let i = 0; i < n; i++) {
    const { leaf, path } = pathOf(i)
    for (let height = 1; height <= path.length; height++) {
      // The node at this height is truly under the root …
      const node = foldPath(leaf, path.slice(0, height))
      const above = path.slice(height)
      expect(foldPath(node, above)).toEqual(root)
      // … but as a hash, or as half of its preimage, it is no leaf.
      const [a, b] =
        height === 1 ? [leaf, path[0]!] : [foldPath(leaf, path.slice(0, height - 1)), path[height - 1]!]
      for (const forged of [node, a, b]) {
        expect(foldPath(leafOf(forged), above)).not.toEqual(root)
        expect(StandardMerkleTree.verify(toHex(root), ['bytes32'], [toHex(forged)], above.map(toHex))).toBe(
          false,
        )
      }
    }
  }
})
