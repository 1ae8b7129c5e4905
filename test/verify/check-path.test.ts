import { SimpleMerkleTree, StandardMerkleTree } from '@openzeppelin/merkle-tree'
import fc from 'fast-check'
import { pathLengthOf } from 'holdfast-client/verify/path'
import keccak256 from 'keccak256'
import { MerkleTree } from 'merkletreejs'
import { describe, expect, it } from 'vitest'
import type { Hex } from '../../src/core/hash.ts'
import { isUnderRoot, leafOfHash } from '../../src/verify/check-path.ts'
import { batchTree, keccakHex, someHashes } from './make-receipt.ts'

describe('a path', () => {
  it('has the length that leaf number and leaf count give it, for every leaf of every tree up to 70', () => {
    for (let count = 1; count <= 70; count++) {
      const tree = batchTree(someHashes(count))
      for (let index = 0; index < count; index++) {
        expect(pathLengthOf(index, count), `${index} of ${count}`).toBe(tree.path(index).length)
      }
    }
  })

  it('length is right past 2^32 leaves too', () => {
    expect(pathLengthOf(0, 2 ** 40)).toBe(40)
    expect(pathLengthOf(2 ** 40, 2 ** 40 + 1)).toBe(1)
    expect(pathLengthOf(2 ** 40 - 1, 2 ** 40 + 1)).toBe(41)
    expect(pathLengthOf(Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER)).toBe(52)
  })

  it('leads from each leaf to its root and to nothing else', () => {
    const cases = fc.tuple(fc.integer({ min: 1, max: 300 }), fc.nat(), fc.nat())
    fc.assert(
      fc.property(cases, ([count, pick, flip]) => {
        const hashes = someHashes(count, `batch of ${count}`)
        const tree = batchTree(hashes)
        const index = pick % count
        const path = tree.path(index)
        const leaf = leafOfHash(hashes[index]!)
        expect(isUnderRoot(leaf, path, tree.root)).toBe(true)
        expect(StandardMerkleTree.verify(tree.root, ['bytes32'], [hashes[index]!], path)).toBe(true)

        const place = flip % (path.length + 2)
        const changed = [leaf, ...path, tree.root].map((hex, i) => (i === place ? flipped(hex, flip) : hex))
        expect(isUnderRoot(changed[0]!, changed.slice(1, -1), changed.at(-1)!)).toBe(false)
      }),
      { numRuns: 60 },
    )
  })

  it('longer than 64 is never valid, even where it leads to the root', () => {
    const path = Array.from({ length: 65 }, (_, i) => keccakHex(`sibling ${i}`))
    const fold = (node: Hex, siblings: Hex[]) => {
      return siblings.reduce((below: Hex, sibling) => {
        const pair = [below, sibling].sort().map((hex) => hex.slice(2))
        return `0x${keccak256(Buffer.from(pair.join(''), 'hex')).toString('hex')}` as Hex
      }, node)
    }
    const leaf = keccakHex('leaf')
    expect(isUnderRoot(leaf, path.slice(0, 64), fold(leaf, path.slice(0, 64)))).toBe(true)
    expect(isUnderRoot(leaf, path, fold(leaf, path))).toBe(false)
  })

  it('of an inner node proves no record: the shortened proof fails', () => {
    const hashes = someHashes(8)
    const leaves = hashes.map((hash) => Buffer.from(leafOfHash(hash).slice(2), 'hex'))
    const tree = new MerkleTree(leaves, keccak256, { sortPairs: true })
    const inner = tree.getHexLayers()[1]![0] as Hex
    const shortened = batchTree(hashes).path(0).slice(1)
    const root = tree.getHexRoot() as Hex
    expect(isUnderRoot(inner, shortened, root)).toBe(true) // it is a node of the tree …
    expect(SimpleMerkleTree.verify(root, inner, shortened)).toBe(true)
    expect(isUnderRoot(leafOfHash(inner), shortened, root)).toBe(false) // … and no record's leaf
    expect(StandardMerkleTree.verify(root, ['bytes32'], [inner], shortened)).toBe(false)
  })
})

function flipped(hex: Hex, seed: number): Hex {
  const bytes = Buffer.from(hex.slice(2), 'hex')
  bytes[seed % 32]! ^= 1 << (seed % 8)
  return `0x${bytes.toString('hex')}`
}
