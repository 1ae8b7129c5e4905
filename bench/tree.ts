import { execFile } from 'node:child_process'
import { createCipheriv } from 'node:crypto'
import { promisify } from 'node:util'
import { StandardMerkleTree } from '@openzeppelin/merkle-tree'
import keccak256 from 'keccak256'
import { MerkleTree } from 'merkletreejs'
import { HASH_BYTES, type Hex, parseHash, toHex } from '../src/core/hash.ts'
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

/** From record hashes to the root; no root where no tree is built. */
type Build = (hashes: Buffer) => Buffer | undefined

const BUILDS = {
  Holdfast: holdfastRoot,
  'merkletreejs + keccak256': merkletreejsRoot,
  '@openzeppelin/merkle-tree': openZeppelinRoot,
  'bare kernel loop': bareKernel,
} as const satisfies Record<string, Build>
type Name = keyof typeof BUILDS

/** One build, timed in a process of its own. */
type Sample = { seconds: number; root: Hex | undefined }

/**
 * From record hashes in memory to the root, one thread: Holdfast, its tiles and leaves included, beside merkletreejs
 * and OpenZeppelin building the same tree, and beside as many kernel hashes without a tree. Interleaved, medians of 5
 * (quick: 3, and smaller batches).
 *
 * Every sample has a fresh process, warmed up with a small batch: merkletreejs leaves millions of small buffers
 * behind, which slow down whatever follows in the same process, itself included, several times over.
 */
export async function tree({ quick }: { quick: boolean }): Promise<Figure[]> {
  const rounds = quick ? 3 : 5
  return [
    await compare('merkletreejs + keccak256', quick ? 2 ** 16 : 2 ** 20, rounds),
    // A power of two, where OpenZeppelin's root is ours; 2^20 would take a minute and a half a sample.
    await compare('@openzeppelin/merkle-tree', quick ? 2 ** 14 : 2 ** 17, rounds),
    await compare('bare kernel loop', 2 ** 20, quick ? 5 : 9),
  ]
}

async function compare(name: Name, n: number, rounds: number): Promise<Figure> {
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = 0; round < rounds; round++) {
    const mine = await sample('Holdfast', n)
    const other = await sample(name, n)
    if (other.root !== undefined && other.root !== mine.root) throw new Error(`${name} has another root`)
    ours.push(mine.seconds)
    theirs.push(other.seconds)
  }
  const holdfast = Math.round(n / median(ours))
  const value = Math.round(n / median(theirs))
  return {
    bench: 'tree',
    metric: 'batch tree, one thread',
    unit: 'records/s',
    n,
    holdfast,
    reference: { name, value },
    ratio: Number((holdfast / value).toFixed(3)),
  }
}

async function sample(name: Name, n: number): Promise<Sample> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...process.execArgv,
    import.meta.filename,
    'sample',
    name,
    String(n),
  ])
  return JSON.parse(stdout) as Sample
}

function takeSample(name: Name, n: number): Sample {
  const build: Build = BUILDS[name]
  const fast = name === 'Holdfast' || name === 'bare kernel loop'
  for (let i = 0; i < 3; i++) build(recordHashes(fast ? 2 ** 16 : 2 ** 10))
  const hashes = recordHashes(n)
  const start = performance.now()
  const root = build(hashes)
  return { seconds: (performance.now() - start) / 1000, root: root && toHex(root) }
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

function openZeppelinRoot(hashes: Buffer): Buffer {
  const values = nodesIn(hashes).map((hash) => [toHex(hash)])
  return parseHash(StandardMerkleTree.of(values, ['bytes32'], { sortLeaves: false }).root)
}

/** As many leaf and node hashes as a tree over these has, in the kernel's memory, and nothing else. */
function bareKernel(hashes: Buffer): undefined {
  const kernel = sharedKernel()
  const n = hashes.length / HASH_BYTES
  const run = KERNEL_CAPACITY / 2
  for (let left = n; left > 0; left -= run) kernel.hashLeaves(0, 0, Math.min(run, left))
  for (let left = n - 1; left > 0; left -= run) kernel.hashPairs(0, 0, Math.min(run, left))
}

/** n different hashes, the same in every process. */
function recordHashes(n: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(
    Buffer.alloc(n * HASH_BYTES),
  )
}

function nodesIn(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, i) => {
    return bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)
  })
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >>> 1] ?? Number.NaN
}

if (process.argv[1] === import.meta.filename) {
  const [command, name, n] = process.argv.slice(2)
  if (command === 'sample') {
    console.log(JSON.stringify(takeSample(name as Name, Number(n))))
  } else {
    for (const figure of await tree({ quick: command === '--quick' })) console.log(JSON.stringify(figure))
  }
}
