import { StandardMerkleTree } from '@openzeppelin/merkle-tree'
import { type Receipt, verifyReceipts } from 'holdfast-client'
import type { Hex } from '../src/core/hash.ts'
import { createSecondPathCheck } from '../src/verify/check-path.ts'
import { startTestAnvil } from '../test/support/anvil.ts'
import { anchorRoot, batchTree, deployRegistry, receiptOf, someHashes } from '../test/verify/make-receipt.ts'
import { figureOf, interleave } from './figure.ts'
import type { Figure } from './tree.ts'

/** OpenZeppelin's check is timed over so many receipts: it takes about a millisecond each. */
const REFERENCE_RECEIPTS = 500

/**
 * Receipts of one batch and one anchor, as texts, checked whole against a live chain by one thread; the same with
 * merkletreejs beside it, as the daemon and the command line check; beside OpenZeppelin's check of the paths alone.
 */
export async function verify({ quick }: { quick: boolean }): Promise<Figure[]> {
  const n = quick ? 20_000 : 100_000
  const rounds = quick ? 3 : 5
  const anvil = await startTestAnvil()
  try {
    await deployRegistry(anvil.url)
    const hashes = someHashes(n)
    const tree = batchTree(hashes)
    const anchor = { ...(await anchorRoot(anvil.url, tree.root)), path: [] as Hex[] }
    const receipts = hashes.map((_, i) => receiptOf(hashes, i, [anchor], tree))
    const texts = receipts.map((receipt) => JSON.stringify(receipt))
    const { client, second, reference } = await interleave(rounds, {
      client: () => rate(n, () => checkAll(texts, anvil.url)),
      second: () => rate(n, () => checkAll(texts, anvil.url, createSecondPathCheck())),
      reference: () =>
        rate(REFERENCE_RECEIPTS, async () => checkPaths(receipts.slice(0, REFERENCE_RECEIPTS))),
    })
    const figure = (metric: string, values: readonly number[]): Figure =>
      figureOf({
        bench: 'verify',
        metric,
        unit: 'receipts/s',
        n,
        holdfast: values,
        reference: { name: '@openzeppelin/merkle-tree, paths alone', values: reference },
        better: 'more',
      })
    return [figure('verifyReceipts', client), figure('verifyReceipts, with merkletreejs beside it', second)]
  } finally {
    await anvil.stop()
  }
}

async function rate(count: number, run: () => Promise<void>): Promise<number> {
  const startedAt = performance.now()
  await run()
  return count / ((performance.now() - startedAt) / 1000)
}

async function checkAll(
  texts: readonly string[],
  rpc: string,
  alsoCheckPath?: ReturnType<typeof createSecondPathCheck>,
): Promise<void> {
  for await (const { valid, headline } of verifyReceipts(texts, { rpc, alsoCheckPath })) {
    if (!valid) throw new Error(headline)
  }
}

function checkPaths(receipts: readonly Receipt[]): void {
  for (const { hash, path, batch } of receipts) {
    if (!StandardMerkleTree.verify(batch.root, ['bytes32'], [hash], path))
      throw new Error(`${hash} is not proven`)
  }
}
