import { StandardMerkleTree } from '@openzeppelin/merkle-tree'
import fc from 'fast-check'
import keccak256 from 'keccak256'
import { MerkleTree } from 'merkletreejs'
import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import { createKernel } from '../../src/merkle/kernel/kernel.ts'
import { foldPath, leafOf, tilesOfPath } from '../../src/merkle/path.ts'
import { createTreeBuilder } from '../../src/merkle/tree.ts'
import { buildBatch, nodesIn, recordHashes, referenceLeaf } from './batch.ts'

function referenceTree(leaves: Buffer[]): MerkleTree {
  return new MerkleTree(leaves, keccak256, { sortPairs: true })
}

test('root and every path of random batches equal merkletreejs and verify with OpenZeppelin', () => {
  const size = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 2000 }))
  fc.assert(
    fc.property(size, fc.integer(), (n, seed) => {
      const bytes = recordHashes(n, seed)
      const hashes = nodesIn(bytes)
      const leaves = hashes.map(referenceLeaf)
      const reference = referenceTree(leaves)
      const { root, leafCount, pathOf } = buildBatch(bytes)
      expect(leafCount).toBe(n)
      expect(root.equals(reference.getRoot())).toBe(true)
      for (const [i, hash] of hashes.entries()) {
        const built = pathOf(i)
        const path = built.path.map(toHex)
        expect(built.root.equals(root) && built.leaf.equals(leaves[i]!)).toBe(true)
        expect(path).toEqual(reference.getHexProof(leaves[i]!, i))
        // OpenZeppelin's JavaScript is slow: a sample of leaves is enough for it.
        if (n <= 40 || i % 97 === 0 || i === n - 1) {
          expect(StandardMerkleTree.verify(toHex(root), ['bytes32'], [toHex(hash)], path)).toBe(true)
        }
      }
    }),
    { numRuns: 25 },
  )
}, 120_000)

test('any chunking gives the same tiles and the same root', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 12 }),
      (n, sizes) => {
        const hashes = recordHashes(n)
        let left = n
        const chunks = sizes.map((size) => {
          const taken = Math.min(size, left)
          left -= taken
          return taken
        })
        const whole = buildBatch(hashes)
        const chunked = buildBatch(hashes, chunks)
        expect(chunked.root.equals(whole.root)).toBe(true)
        expect([...chunked.tiles.keys()].sort()).toEqual([...whole.tiles.keys()].sort())
        for (const [id, tile] of whole.tiles) {
          expect(Buffer.compare(tile.nodes, chunked.tiles.get(id)!.nodes)).toBe(0)
          expect(Buffer.compare(tile.groupRoots, chunked.tiles.get(id)!.groupRoots)).toBe(0)
        }
      },
    ),
    { numRuns: 30 },
  )
}, 60_000)

test('the same hash many times is as many leaves, each with its own path', () => {
  const [a, b] = nodesIn(recordHashes(2))
  for (const n of [2, 3, 5, 300]) {
    const hashes = Array.from({ length: n }, (_, i) => (i % 3 === 2 ? b! : a!))
    const leaves = hashes.map(referenceLeaf)
    const reference = referenceTree(leaves)
    const { root, pathOf } = buildBatch(Buffer.concat(hashes))
    expect(root).toEqual(reference.getRoot())
    for (let i = 0; i < n; i++) {
      expect(pathOf(i).path.map(toHex)).toEqual(reference.getHexProof(leaves[i]!, i))
    }
  }
})

describe('at the edges of tiles', () => {
  const sizes = [255, 256, 257, 511, 512, 513, 4095, 4096, 4097, 65_535, 65_536, 65_537, 131_073]

  test.each(sizes)('%i leaves have the tiles of the design and paths that lead to the root', (n) => {
    const bytes = recordHashes(n)
    const { root, tiles, pathOf } = buildBatch(bytes)
    const expected = new Map<string, number>()
    for (let level = 0, nodes = n; level === 0 || nodes > 1; level += 8, nodes = Math.ceil(nodes / 256)) {
      for (let index = 0; index * 256 < nodes; index++) {
        expected.set(`${level}/${index}`, Math.min(256, nodes - index * 256) * 32)
      }
    }
    expect(new Map([...tiles].map(([id, tile]) => [id, tile.nodes.length]))).toEqual(expected)

    const lowest = [...tiles.values()].filter((tile) => tile.level === 0).map((tile) => tile.nodes)
    expect(Buffer.concat(lowest).equals(bytes)).toBe(true)

    const around = [0, 1, 254, 255, 256, 257, 65_279, 65_280, 65_535, 65_536, n >>> 1, n - 2, n - 1]
    for (const i of around.filter((index) => index < n)) {
      const { leaf, path, root: led } = pathOf(i)
      expect(leaf).toEqual(leafOf(bytes.subarray(i * 32, i * 32 + 32)))
      expect(led).toEqual(root)
      expect(foldPath(leaf, path)).toEqual(root)
      const asked: string[] = []
      pathOf(i, (id, part) => {
        asked.push(id)
        return part
      })
      expect(asked).toEqual(tilesOfPath(i, n).map(({ level, index }) => `${level}/${index}`))
      expect(pathOf(i, (_id, part) => part, 'whole')).toEqual({ leaf, path, root })
    }
  })

  test.each([31, 32, 33, 255, 256, 257, 4097])('%i leaves have the tile nodes of merkletreejs', (n) => {
    const bytes = recordHashes(n)
    const reference = referenceTree(nodesIn(bytes).map(referenceLeaf))
    const { root, tiles } = buildBatch(bytes)
    expect(root).toEqual(reference.getRoot())
    for (const { level, index, nodes, groupRoots } of tiles.values()) {
      const layers = reference.getLayers()
      if (level > 0) expect(nodesIn(nodes)).toEqual(layers[level]!.slice(index * 256, (index + 1) * 256))
      const groups = nodes.length > 32 * 32 ? layers[level + 5]!.slice(index * 8, (index + 1) * 8) : []
      expect(nodesIn(groupRoots)).toEqual(groups)
    }
  })

  test('65,537 leaves have the root of merkletreejs', () => {
    const bytes = recordHashes(65_537)
    // Leaves by the kernel, which its own tests check: the reference would take most of a minute.
    const leaves: Buffer[] = []
    const builder = createTreeBuilder({
      onTile() {},
      onLeaves(chunk, firstIndex) {
        expect(firstIndex).toBe(leaves.length)
        leaves.push(...nodesIn(chunk))
      },
    })
    builder.push(bytes)
    const { root } = builder.finish()
    expect(leaves.length).toBe(65_537)
    expect(leaves[65_536]).toEqual(referenceLeaf(Buffer.from(bytes.subarray(-32))))
    expect(root).toEqual(referenceTree(leaves).getRoot())
  }, 60_000)
})

test('one leaf is its own root and needs no path', () => {
  const hash = recordHashes(1)
  const { root, tiles, pathOf } = buildBatch(hash)
  expect(root).toEqual(referenceLeaf(hash))
  expect([...tiles.keys()]).toEqual(['0/0'])
  expect(pathOf(0)).toEqual({ leaf: root, path: [], root })
})

test('leaves come in order, each once, whatever the chunks', () => {
  const bytes = recordHashes(5000)
  const seen: Buffer[] = []
  const builder = createTreeBuilder({
    onTile() {},
    onLeaves(leaves, firstIndex) {
      expect(firstIndex).toBe(seen.length)
      seen.push(...nodesIn(leaves))
    },
  })
  for (let from = 0; from < 5000; from += 617) builder.push(bytes.subarray(from * 32, (from + 617) * 32))
  builder.finish()
  expect(seen).toEqual(nodesIn(bytes).map((hash) => leafOf(hash)))
})

test('builders that share a kernel may take turns, also inside each other\u2019s callbacks', () => {
  const one = recordHashes(9000, 1)
  const two = recordHashes(9000, 2)
  const expected = [buildBatch(one).root, buildBatch(two).root]
  const inner = createTreeBuilder({ onTile() {} })
  let given = 0
  const give = () => {
    inner.push(two.subarray(given * 32, (given + 500) * 32))
    given += Math.min(500, 9000 - given)
  }
  const outer = createTreeBuilder({ onTile: give, onLeaves: give })
  for (let from = 0; from < 9000; from += 1000) outer.push(one.subarray(from * 32, (from + 1000) * 32))
  const roots = [outer.finish().root]
  inner.push(two.subarray(given * 32))
  expect([...roots, inner.finish().root]).toEqual(expected)
})

test('the scalar kernel builds the same tree', () => {
  const bytes = recordHashes(3001)
  const builder = createTreeBuilder({ onTile() {}, kernel: createKernel(false) })
  builder.push(bytes)
  expect(builder.finish().root).toEqual(buildBatch(bytes).root)
})

describe('refuses', () => {
  test('a chunk that is not whole hashes, and takes nothing of it', () => {
    const builder = createTreeBuilder({ onTile() {} })
    expect(() => builder.push(new Uint8Array(33))).toThrow(expect.objectContaining({ code: 'INVALID_HASH' }))
    builder.push(recordHashes(1))
    expect(builder.finish().leafCount).toBe(1)
  })

  test('an empty batch', () => {
    const builder = createTreeBuilder({ onTile() {} })
    builder.push(new Uint8Array(0))
    expect(() => builder.finish()).toThrow(expect.objectContaining({ code: 'EMPTY' }))
  })

  test('anything after the end', () => {
    const builder = createTreeBuilder({ onTile() {} })
    builder.push(recordHashes(1))
    builder.finish()
    expect(() => builder.push(recordHashes(1))).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
    expect(() => builder.finish()).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
  })
})
