import fc from 'fast-check'
import keccak256 from 'keccak256'
import { describe, expect, test } from 'vitest'
import { createKernel, hashLevel, KERNEL_CAPACITY } from '../../src/merkle/kernel/kernel.ts'
import { nodesIn, recordHashes, referenceLeaf } from './batch.ts'

const kernels = [
  ['simd', createKernel(true)],
  ['scalar', createKernel(false)],
] as const

const batchOfNodes = fc.uint8Array({ minLength: 32, maxLength: 64 * 32 }).map((bytes) => {
  return bytes.subarray(0, bytes.length - (bytes.length % 32))
})

function referenceNode(a: Buffer, b: Buffer): Buffer {
  return keccak256(Buffer.concat(Buffer.compare(a, b) <= 0 ? [a, b] : [b, a]))
}

test('the kernel uses SIMD where the engine has it', () => {
  expect(createKernel().simd).toBe(true)
})

describe.each(kernels)('the %s kernel', (_name, kernel) => {
  test('leaves equal keccak256(keccak256(hash)) of the keccak256 package, one by one and batched', () => {
    fc.assert(
      fc.property(batchOfNodes, (bytes) => {
        const expected = nodesIn(bytes).map(referenceLeaf)
        const count = expected.length
        kernel.nodes.set(bytes)
        kernel.hashLeaves(0, 1000, count)
        expect(nodesIn(kernel.nodes.slice(32_000, 32_000 + count * 32))).toEqual(expected)
        kernel.hashLeaves(0, 0, count)
        expect(nodesIn(kernel.nodes.slice(0, count * 32))).toEqual(expected)
        for (const [i, node] of nodesIn(bytes).entries()) {
          kernel.nodes.set(node, 320)
          kernel.hashLeaves(10, 5, 1)
          expect(Buffer.from(kernel.nodes.slice(160, 192))).toEqual(expected[i])
        }
      }),
    )
  })

  test('a level equals sorted pairs of the keccak256 package with a lone node promoted', () => {
    fc.assert(
      fc.property(batchOfNodes, (bytes) => {
        const nodes = nodesIn(bytes)
        const expected = Array.from({ length: Math.ceil(nodes.length / 2) }, (_, i) => {
          const right = nodes[2 * i + 1]
          return right === undefined ? nodes[2 * i]! : referenceNode(nodes[2 * i]!, right)
        })
        for (const to of [0, 1000]) {
          kernel.nodes.set(bytes)
          expect(hashLevel(kernel, 0, to, nodes.length)).toBe(expected.length)
          expect(nodesIn(kernel.nodes.slice(to * 32, (to + expected.length) * 32))).toEqual(expected)
        }
      }),
    )
  })

  test('pairs that first differ at any byte, by any amount, are sorted bytewise', () => {
    const base = recordHashes(1)
    for (let at = 0; at < 32; at++) {
      for (const [x, y] of [
        [0x00, 0xff],
        [0x7f, 0x80],
        [0x80, 0x01],
        [0x10, 0x0f],
      ] as const) {
        const a = Buffer.from(base)
        const b = Buffer.from(base)
        a[at] = x
        b[at] = y
        // What follows the first difference must not matter.
        a.fill(0xee, at + 1)
        b.fill(0x11, at + 1)
        for (const [left, right] of [
          [a, b],
          [b, a],
        ] as const) {
          kernel.nodes.set(Buffer.concat([left, right]))
          kernel.hashPairs(0, 0, 1)
          expect(Buffer.from(kernel.nodes.slice(0, 32))).toEqual(referenceNode(a, b))
        }
      }
    }
  })

  test('two equal nodes have a parent', () => {
    const [node] = nodesIn(recordHashes(1))
    kernel.nodes.set(Buffer.concat([node!, node!]))
    kernel.hashPairs(0, 0, 1)
    expect(Buffer.from(kernel.nodes.slice(0, 32))).toEqual(referenceNode(node!, node!))
  })

  test('nothing outside the destination is touched', () => {
    kernel.nodes.fill(0xaa)
    kernel.hashLeaves(0, 100, 3)
    kernel.hashPairs(0, 200, 3)
    kernel.hashPairs(0, 300, 0)
    kernel.hashLeaves(0, 300, 0)
    const changed = nodesIn(kernel.nodes).flatMap((node, i) => (node.every((b) => b === 0xaa) ? [] : [i]))
    expect(changed).toEqual([100, 101, 102, 200, 201, 202])
  })

  test('all of its memory is usable', () => {
    const hashes = recordHashes(KERNEL_CAPACITY)
    kernel.nodes.set(hashes)
    kernel.hashLeaves(0, 0, KERNEL_CAPACITY)
    const last = nodesIn(hashes.subarray(-32))[0]!
    expect(Buffer.from(kernel.nodes.slice(-32))).toEqual(referenceLeaf(last))
  })
})
