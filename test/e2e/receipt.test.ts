import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StandardMerkleTree } from '@openzeppelin/merkle-tree'
import { Contract, JsonRpcProvider } from 'ethers'
import keccak256 from 'keccak256'
import { MerkleTree } from 'merkletreejs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { REGISTRY_ABI } from '../../src/anchor/contract/registry.generated.ts'
import type { Receipt } from '../../src/core/receipt.ts'
import { runHoldfast } from '../support/process.ts'
import { createServed, digest, type Served } from './served.ts'

let served: Served
let folder: string
let receipt: Receipt
let provider: JsonRpcProvider

beforeAll(async () => {
  served = await createServed()
  folder = mkdtempSync(join(tmpdir(), 'holdfast-receipt-'))
  const { run, client } = await served.start()
  await client.push(Buffer.concat(Array.from({ length: 700 }, (_, n) => digest(n))))
  await client.waitFor(digest(0), 'anchored')
  // A second batch in a later anchor, with more than one batch in it, so that both paths have length.
  for (let part = 0; part < 3; part++) {
    await client.push(Buffer.concat(Array.from({ length: 300 }, (_, n) => digest(1000 + part * 300 + n))))
  }
  receipt = await client.waitFor(digest(1427), 'anchored')
  run.kill('SIGTERM')
  expect((await run.exit()).code).toBe(0)
  provider = new JsonRpcProvider(served.anvil.url, 31337, { staticNetwork: true })
})

afterAll(async () => {
  provider.destroy()
  rmSync(folder, { recursive: true, force: true })
  await served.close()
})

async function verifyByCommand(text: string): Promise<number | null> {
  const file = join(folder, 'receipt.json')
  writeFileSync(file, text)
  const run = runHoldfast(['verify', file, '--rpc', served.anvil.url])
  return (await run.exit()).code
}

const anchorOf = ({ anchors }: Receipt) => anchors[0]!
const proofOf = (each: Receipt) => [...each.path, ...anchorOf(each).path]

const verifiers: Record<string, (each: Receipt) => boolean | Promise<boolean>> = {
  'merkletreejs MerkleTree.verify': (each) =>
    MerkleTree.verify(
      proofOf(each).map((node) => Buffer.from(node.slice(2), 'hex')),
      keccak256(keccak256(each.hash)),
      Buffer.from(anchorOf(each).root.slice(2), 'hex'),
      keccak256,
      { sortPairs: true },
    ),
  'OpenZeppelin StandardMerkleTree.verify': (each) =>
    StandardMerkleTree.verify(anchorOf(each).root, ['bytes32'], [each.hash], proofOf(each)),
  'the contract’s verify()': async (each) => {
    const { registry, publisher, root } = anchorOf(each)
    const contract = new Contract(registry, REGISTRY_ABI, provider)
    const [valid, anchoredAt] = await contract.getFunction('verify')(
      publisher,
      root,
      each.hash,
      proofOf(each),
    )
    return valid && anchoredAt > 0n
  },
  'holdfast verify, the daemon stopped': async (each) => (await verifyByCommand(JSON.stringify(each))) === 0,
}

/** The receipt with one hex digit of one of its hashes changed. */
function changed(
  each: Receipt,
  where: (copy: Receipt) => { in: Record<string, unknown>; key: string },
): Receipt {
  const copy = structuredClone(each)
  const { in: holder, key } = where(copy)
  const text = holder[key] as string
  holder[key] = `${text.slice(0, -1)}${text.endsWith('0') ? '1' : '0'}`
  return copy
}

const fields = {
  hash: (copy: Receipt) => ({ in: copy as never, key: 'hash' }),
  'the lowest sibling': (copy: Receipt) => ({ in: copy.path as never, key: '0' }),
  'the highest sibling': (copy: Receipt) => ({ in: copy.path as never, key: String(copy.path.length - 1) }),
  'the anchored root': (copy: Receipt) => ({ in: anchorOf(copy) as never, key: 'root' }),
}

describe('a receipt fetched over HTTP', () => {
  for (const [name, verify] of Object.entries(verifiers)) {
    it(`verifies with ${name}, and with any byte changed does not`, async () => {
      expect(receipt.path.length).toBeGreaterThan(7)
      expect(await verify(receipt)).toBe(true)
      for (const [field, where] of Object.entries(fields)) {
        expect(await verify(changed(receipt, where)), field).toBe(false)
      }
    })
  }

  it('is refused by `holdfast verify` whatever is changed of where it stands on the chain', async () => {
    for (const key of ['registry', 'publisher', 'transactionHash', 'blockHash', 'blockTime'] as const) {
      const copy = changed(receipt, (each) => ({ in: anchorOf(each) as never, key }))
      expect(await verifyByCommand(JSON.stringify(copy)), key).toBe(1)
    }
  })

  it('leaves `holdfast verify` undecided while the chain cannot be read', async () => {
    const run = runHoldfast(['verify', JSON.stringify(receipt), '--rpc', 'http://127.0.0.1:9'])
    expect((await run.exit()).code).toBe(2)
  })
})
