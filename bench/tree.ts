import { randomBytes } from 'node:crypto'
import { StandardMerkleTree } from '@openzeppelin/merkle-tree'
import keccak256 from 'keccak256'
import { MerkleTree } from 'merkletreejs'
import { HASH_BYTES, parseHash, toHex } from '../src/core/hash.ts'
import { KERNEL_CAPACITY, sharedKernel } from '../src/merkle/kernel/kernel.ts'
import { createTreeBuilder } from '../src/merkle/tree.ts'

export type Figure = {
  bench: string
  metric: string
  unit: string
  /** How many records the figure is about. */
  n: number
  holdfast: number
  reference: { name: string; value: number }
  /** Above 1, Holdfast is better. */
  ratio: number
}

/**
 * From record hashes in memory to the root, one thread: Holdfast, tiles and leaves included, beside merkletreejs and
 * OpenZeppelin building the same tree, and beside as many kernel hashes without a tree. Runs are interleaved, medians
 * of 5 (quick: 3, and smaller batches).
 */
export async function tree({ quick }: { quick: boolean }): Promise<Figure[]> {
  const rounds = quick ? 3 : 5
  const large = quick ? 2 ** 15 : 2 ** 20
  // OpenZeppelin's takes about a minute for 2^20 records.
  const small = quick ? 2 ** 12 : 2 ** 16
  const warm = randomBytes(2 ** 16 * HASH_BYTES)
  holdfastRoot(warm)
  bareKernel(2 ** 16)

  const kernelFigures = compare('the bare kernel loop', 2 ** 20, quick ? 5 : 15, holdfastRoot, (hashes) => {
    bareKernel(hashes.length / HASH_BYTES)
    return undefined
  })
  return [
    compare('merkletreejs + keccak256', large, rounds, holdfastRoot, merkletreejsRoot),
    compare('@openzeppelin/merkle-tree', small, rounds, holdfastRoot, openZeppelinRoot),
    kernelFigures,
  ]
}

/** The root, where it builds a tree. */
type Build = (hashes: Buffer) => Buffer | undefined

function compare(name: string, n: number, rounds: number, holdfast: Build, reference: Build): Figure {
  const hashes = randomBytes(n * HASH_BYTES)
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = 0; round < rounds; round++) {
    const mine = time(() => holdfast(hashes))
    const other = time(() => reference(hashes))
    if (other.root !== undefined && !mine.root?.equals(other.root))
      throw new Error(`${name} has another root`)
    ours.push(mine.seconds)
    theirs.push(other.seconds)
  }
  const value = Math.round(n / median(theirs))
  const figure = Math.round(n / median(ours))
  return {
    bench: 'tree',
    metric: 'batch tree, one thread',
    unit: 'records/s',
    n,
    holdfast: figure,
    reference: { name, value },
    ratio: Number((figure / value).toFixed(3)),
  }
}

function holdfastRoot(hashes: Buffer): Buffer {
  const builder = createTreeBuilder({ onTile() {}, onLeaves() {} })
  const chunk = 10_000 * HASH_BYTES
  for (let from = 0; from < hashes.length; from += chunk) builder.push(hashes.subarray(from, from + chunk))
  return builder.finish().root
}

function merkletreejsRoot(hashes: Buffer): Buffer {
  const leaves = nodesIn(hashes).map((hash) => keccak256(keccak256(hash)))
  return new MerkleTree(leaves, keccak256, { sortPairs: true }).getRoot()
}

/** OpenZeppelin orders its tree otherwise: its root is ours for n = 2^k only, as here. */
function openZeppelinRoot(hashes: Buffer): Buffer {
  const values = nodesIn(hashes).map((hash) => [toHex(hash)])
  return parseHash(StandardMerkleTree.of(values, ['bytes32'], { sortLeaves: false }).root)
}

/** As many leaf and node hashes as a tree of n leaves has, in the kernel's memory, and nothing else. */
function bareKernel(n: number): void {
  const kernel = sharedKernel()
  const run = KERNEL_CAPACITY / 2
  for (let left = n; left > 0; left -= run) kernel.hashLeaves(0, 0, Math.min(run, left))
  for (let left = n - 1; left > 0; left -= run) kernel.hashPairs(0, 0, Math.min(run, left))
}

function nodesIn(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, i) => {
    return bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)
  })
}

function time(build: () => ReturnType<Build>): { seconds: number; root: ReturnType<Build> } {
  const start = performance.now()
  const root = build()
  return { seconds: (performance.now() - start) / 1000, root }
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >>> 1] ?? Number.NaN
}

if (process.argv[1] === import.meta.filename) {
  for (const figure of await tree({ quick: process.argv.includes('--quick') }))
    console.log(JSON.stringify(figure))
}
