import { readFileSync } from 'node:fs'
import { StandardMerkleTree } from '@openzeppelin/merkle-tree'
import { Contract, getCreate2Address, Interface, JsonRpcProvider, keccak256, Wallet } from 'ethers'
import keccakPackage from 'keccak256'
import { MerkleTree } from 'merkletreejs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployRegistry } from '../../src/anchor/contract/deploy.ts'
import {
  REGISTRY_ABI,
  REGISTRY_ADDRESS,
  REGISTRY_BYTECODE,
  REGISTRY_DEPLOYED_BYTECODE,
  REGISTRY_DEPLOYER,
  REGISTRY_SALT,
} from '../../src/anchor/contract/registry.generated.ts'
import { createEndpoints } from '../../src/anchor/rpc/endpoints.ts'
import { privateKeySigner } from '../../src/anchor/signers/signer.ts'
import { noMetrics } from '../../src/core/metrics.ts'
import { systemClock } from '../../src/core/ports.ts'
import { DEV_ACCOUNTS, startTestAnvil, type TestAnvil } from '../support/anvil.ts'
import { until } from '../support/wait.ts'

const FEES = { maxFeePerGasGwei: 100, minTipGwei: 0.001, maxTipGwei: 20, bumpAfterMs: 60_000 }
const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger }
const artifact = JSON.parse(
  readFileSync(new URL('../../contracts/build/AnchorRegistry.json', import.meta.url), 'utf8'),
)
const registryInterface = new Interface(REGISTRY_ABI)

let anvil: TestAnvil
let provider: JsonRpcProvider
let registry: Contract
const [alice, bob] = DEV_ACCOUNTS

beforeAll(async () => {
  anvil = await startTestAnvil()
  provider = new JsonRpcProvider(anvil.url, 31337, {
    staticNetwork: true,
    cacheTimeout: -1,
    batchMaxCount: 1,
  })
  registry = new Contract(REGISTRY_ADDRESS, REGISTRY_ABI, provider)
  await deploy(anvil)
})
afterAll(async () => {
  provider.destroy()
  await anvil.stop()
})

async function deploy(to: TestAnvil, key: string = DEV_ACCOUNTS[3].privateKey) {
  const endpoints = createEndpoints({
    chainId: 31337,
    rpcUrls: [to.url],
    timeoutMs: 5_000,
    clock: systemClock,
    logger,
    metrics: noMetrics,
  })
  try {
    return await deployRegistry({
      endpoints,
      chainId: 31337,
      signer: privateKeySigner(key),
      fees: FEES,
      maxGas: 10_000_000,
      withinMs: 5_000,
    })
  } finally {
    endpoints.close()
  }
}

type Receipt = {
  status: string
  gasUsed: string
  blockNumber: string
  logs: { topics: string[]; data: string }[]
}

/** Sends and mines one call of the registry. */
async function call(name: 'anchor' | 'announce', root: string, from: (typeof DEV_ACCOUNTS)[number] = alice) {
  const raw = await new Wallet(from.privateKey).signTransaction({
    chainId: 31337,
    type: 2,
    nonce: await provider.getTransactionCount(from.address, 'latest'),
    to: REGISTRY_ADDRESS,
    data: registryInterface.encodeFunctionData(name, [root]),
    gasLimit: 100_000,
    maxFeePerGas: 100_000_000_000n,
    maxPriorityFeePerGas: 1_000_000n,
  })
  const hash = await anvil.rpc('eth_sendRawTransaction', [raw])
  // Under load anvil answers before its block is made.
  return until(async () => (await anvil.rpc('eth_getTransactionReceipt', [hash])) as Receipt | null, {
    what: 'the receipt',
  })
}

let roots = 0
function freshRoot(): string {
  roots += 1
  return keccak256(Buffer.from(`root ${roots}`))
}

describe('the build', () => {
  it('is the same on every machine, so that the address is the same on every chain', () => {
    expect(REGISTRY_ADDRESS).toBe(
      getCreate2Address(REGISTRY_DEPLOYER, REGISTRY_SALT, keccak256(REGISTRY_BYTECODE)),
    )
    expect(REGISTRY_ADDRESS).toBe('0x84551eB996F70258294E5642Ad09f87EB3c8864A')
    expect(artifact).toMatchObject({ address: REGISTRY_ADDRESS, bytecode: REGISTRY_BYTECODE })
  })

  it('ships the standard-JSON input that it was made from', () => {
    const source = readFileSync(new URL('../../contracts/AnchorRegistry.sol', import.meta.url), 'utf8')
    expect(Object.values(artifact.standardJsonInput.sources)).toEqual([{ content: source }])
    expect(artifact.compiler).toMatch(/^0\.8\.37\+/)
  })
})

describe('deploying', () => {
  it('puts the registry at its address, and does nothing the second time', async () => {
    expect(await provider.getCode(REGISTRY_ADDRESS)).toBe(REGISTRY_DEPLOYED_BYTECODE)
    const nonce = await provider.getTransactionCount(DEV_ACCOUNTS[3].address, 'latest')
    expect(await deploy(anvil)).toEqual({ address: REGISTRY_ADDRESS, transactionHash: null })
    expect(await provider.getTransactionCount(DEV_ACCOUNTS[3].address, 'latest')).toBe(nonce)
  })

  it('says what is missing on a chain without the deployer, and with an account without funds', async () => {
    const bare = await startTestAnvil(['--disable-default-create2-deployer'])
    try {
      await expect(deploy(bare)).rejects.toMatchObject({
        code: 'INVALID_CONFIG',
        message: expect.stringContaining(REGISTRY_DEPLOYER),
      })
    } finally {
      await bare.stop()
    }
    const poor = await startTestAnvil()
    try {
      await poor.setBalance(alice.address, 1n)
      await expect(deploy(poor, alice.privateKey)).rejects.toMatchObject({
        code: 'INVALID_CONFIG',
        message: expect.stringContaining('Send it funds'),
      })
    } finally {
      await poor.stop()
    }
  })
})

describe('anchor', () => {
  it('stores the block time and emits Anchored', async () => {
    const root = freshRoot()
    const receipt = await call('anchor', root)
    const block = await provider.getBlock(Number(receipt.blockNumber))
    expect(await registry.anchoredAt!(alice.address, root)).toBe(BigInt(block!.timestamp))
    const log = registryInterface.parseLog(receipt.logs[0]!)
    expect(log?.args.toObject()).toEqual({ publisher: alice.address, root })
  })

  it('neither reverts nor changes the time when repeated', async () => {
    const root = freshRoot()
    await call('anchor', root)
    const first = await registry.anchoredAt!(alice.address, root)
    await anvil.rpc('evm_increaseTime', [3600])
    const again = await call('anchor', root)
    expect(Number(again.status)).toBe(1)
    expect(await registry.anchoredAt!(alice.address, root)).toBe(first)
  })

  it('keeps publishers apart', async () => {
    const root = freshRoot()
    await call('anchor', root, bob)
    expect(await registry.anchoredAt!(alice.address, root)).toBe(0n)
    expect(await registry.anchoredAt!(bob.address, root)).toBeGreaterThan(0n)
  })
})

describe('announce', () => {
  it('emits Anchored and stores nothing', async () => {
    const root = freshRoot()
    const receipt = await call('announce', root)
    expect(registryInterface.parseLog(receipt.logs[0]!)?.args.toObject()).toEqual({
      publisher: alice.address,
      root,
    })
    expect(await registry.anchoredAt!(alice.address, root)).toBe(0n)
    expect(Number((await call('announce', root)).status)).toBe(1)
  })
})

describe('gas', () => {
  it('stays within what the design promises, whatever the root', async () => {
    const costs = { anchor: 0, announce: 0, repeated: 0 }
    for (let i = 0; i < 5; i += 1) {
      const root = freshRoot()
      costs.anchor = Math.max(costs.anchor, Number((await call('anchor', root)).gasUsed))
      costs.repeated = Math.max(costs.repeated, Number((await call('anchor', root)).gasUsed))
      costs.announce = Math.max(costs.announce, Number((await call('announce', root)).gasUsed))
    }
    expect(costs.anchor).toBeLessThanOrEqual(45_700)
    expect(costs.announce).toBeLessThanOrEqual(23_400)
    expect(costs.repeated).toBeLessThan(26_000)
  })
})

describe('verify', () => {
  const hashes = Array.from({ length: 11 }, (_, i) => keccak256(Buffer.from(`record ${i}`)))
  const leaves = hashes.map((hash) => keccakPackage(keccakPackage(Buffer.from(hash.slice(2), 'hex'))))

  it('accepts every proof that merkletreejs makes over leaves in arrival order', async () => {
    const tree = new MerkleTree(leaves, keccakPackage, { sortPairs: true })
    await call('anchor', tree.getHexRoot())
    for (const [i, hash] of hashes.entries()) {
      const proof = tree.getHexProof(leaves[i]!, i)
      const [valid, time] = await registry.verify!(alice.address, tree.getHexRoot(), hash, proof)
      expect(valid).toBe(true)
      expect(time).toBe(await registry.anchoredAt!(alice.address, tree.getHexRoot()))
    }
  })

  it('accepts every proof that OpenZeppelin makes', async () => {
    const tree = StandardMerkleTree.of(
      hashes.map((hash) => [hash]),
      ['bytes32'],
    )
    await call('anchor', tree.root)
    for (const [i, [hash]] of tree.entries()) {
      expect((await registry.verify!(alice.address, tree.root, hash, tree.getProof(i)))[0]).toBe(true)
    }
  })

  it('accepts a single record, whose leaf is the root', async () => {
    const root = `0x${leaves[0]!.toString('hex')}`
    await call('anchor', root)
    expect((await registry.verify!(alice.address, root, hashes[0], []))[0]).toBe(true)
  })

  it('refuses when any byte of publisher, root, hash or proof is another', async () => {
    const tree = new MerkleTree(leaves, keccakPackage, { sortPairs: true })
    const root = tree.getHexRoot()
    const proof = tree.getHexProof(leaves[3]!, 3)
    const refused = async (...args: [string, string, string, string[]]) => {
      expect(await registry.verify!(...args)).toEqual([false, 0n])
    }
    for (let byte = 0; byte < 32; byte += 1) {
      await refused(alice.address, changed(root, byte), hashes[3]!, proof)
      await refused(alice.address, root, changed(hashes[3]!, byte), proof)
      for (const [i, sibling] of proof.entries()) {
        await refused(alice.address, root, hashes[3]!, proof.with(i, changed(sibling, byte)))
      }
    }
    await refused(bob.address, root, hashes[3]!, proof)
    await refused(alice.address, root, hashes[3]!, proof.slice(1))
    await refused(alice.address, root, hashes[3]!, [...proof, root])
  })

  it('refuses a node that is presented as a leaf', async () => {
    const tree = new MerkleTree(leaves, keccakPackage, { sortPairs: true })
    const node = tree.getHexLayers()[1]![0]!
    const proofOfNode = tree.getHexProof(leaves[0]!, 0).slice(1)
    expect(await registry.verify!(alice.address, tree.getHexRoot(), node, proofOfNode)).toEqual([false, 0n])
  })

  it('takes a proof of 64 and refuses one of 65, even if it adds up', async () => {
    for (const length of [64, 65]) {
      const proof = Array.from({ length }, (_, i) => keccak256(Buffer.from(`sibling ${i}`)))
      let node = leaves[0]!
      for (const sibling of proof) {
        const other = Buffer.from(sibling.slice(2), 'hex')
        node = keccakPackage(Buffer.concat(Buffer.compare(node, other) < 0 ? [node, other] : [other, node]))
      }
      const root = `0x${node.toString('hex')}`
      await call('anchor', root)
      expect((await registry.verify!(alice.address, root, hashes[0], proof))[0]).toBe(length === 64)
    }
  })

  it('refuses a root that was announced only', async () => {
    const root = `0x${leaves[1]!.toString('hex')}`
    await call('announce', root)
    expect(await registry.verify!(alice.address, root, hashes[1], [])).toEqual([false, 0n])
  })
})

function changed(hex: string, byte: number): string {
  const bytes = Buffer.from(hex.slice(2), 'hex')
  bytes[byte]! ^= 1
  return `0x${bytes.toString('hex')}`
}
