/**
 * Receipts made without any of Holdfast's own code but the types: trees by merkletreejs, the contract's call data by
 * ethers, the chain by plain JSON-RPC. In: record hashes and an anvil URL. Out: receipts.
 */
import { readFileSync } from 'node:fs'
import { Interface } from 'ethers'
import keccak256 from 'keccak256'
import { MerkleTree } from 'merkletreejs'
import type { Hex } from '../../src/core/hash.ts'
import type { Receipt, ReceiptAnchor } from '../../src/core/receipt.ts'
import { callRpc } from '../../src/dev/rpc.ts'
import { until } from '../support/wait.ts'

const artifact = JSON.parse(
  readFileSync(new URL('../../contracts/build/AnchorRegistry.json', import.meta.url), 'utf8'),
) as { address: Hex; deployer: Hex; salt: Hex; bytecode: Hex; abi: [] }
export const registryInterface = new Interface(artifact.abi)
export const registryAddress = artifact.address
/** anvil's first unlocked account. */
export const publisher: Hex = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'

export type Tree = { root: Hex; leaf(index: number): Hex; path(index: number): Hex[] }

/** A batch tree: leaves are the double Keccak-256 of the hashes. */
export function batchTree(hashes: Hex[]): Tree {
  return treeOver(hashes.map((hash) => keccak256(keccak256(hash))))
}

/** An anchor tree: its lowest nodes are the batch roots as they are. */
export function anchorTree(roots: Hex[]): Tree {
  return treeOver(roots.map((root) => Buffer.from(root.slice(2), 'hex')))
}

function treeOver(nodes: Buffer[]): Tree {
  const tree = new MerkleTree(nodes, keccak256, { sortPairs: true })
  return {
    root: tree.getHexRoot() as Hex,
    leaf: (index) => `0x${nodes[index]!.toString('hex')}`,
    path: (index) => tree.getHexProof(nodes[index]!, index) as Hex[],
  }
}

export async function rpc<T>(url: string, method: string, params: unknown[] = []): Promise<T> {
  return (await callRpc(url, method, params)) as T
}

/** Deploys the registry to its CREATE2 address. */
export async function deployRegistry(url: string): Promise<void> {
  const data = artifact.salt + artifact.bytecode.slice(2)
  const sent = await rpc<Hex>(url, 'eth_sendTransaction', [{ from: publisher, to: artifact.deployer, data }])
  await whereIs(url, sent)
}

/** Sends `root` to the registry and reads back where it stands; anvil mines at once. */
export async function anchorRoot(
  url: string,
  root: Hex,
  method: 'anchor' | 'announce' = 'anchor',
): Promise<Omit<ReceiptAnchor, 'path'>> {
  const data = registryInterface.encodeFunctionData(method, [root])
  const transactionHash = await rpc<Hex>(url, 'eth_sendTransaction', [
    { from: publisher, to: registryAddress, data },
  ])
  return { ...(await whereIs(url, transactionHash)), root }
}

type Where = Omit<ReceiptAnchor, 'path' | 'root'>

export async function whereIs(url: string, transactionHash: Hex): Promise<Where> {
  const mined = await until(
    () =>
      rpc<{ blockNumber: Hex; blockHash: Hex } | null>(url, 'eth_getTransactionReceipt', [transactionHash]),
    { what: `transaction ${transactionHash} to be mined` },
  )
  const block = await rpc<{ timestamp: Hex }>(url, 'eth_getBlockByHash', [mined.blockHash, false])
  return {
    chainId: `eip155:${Number(await rpc<Hex>(url, 'eth_chainId'))}`,
    registry: registryAddress,
    publisher,
    transactionHash,
    blockNumber: Number(mined.blockNumber),
    blockHash: mined.blockHash,
    blockTime: new Date(Number(block.timestamp) * 1000).toISOString(),
    status: 'mined',
  }
}

/** The receipt of `hashes[leafIndex]`, keys in the order of the format. */
export function receiptOf(
  hashes: Hex[],
  leafIndex: number,
  anchors: ReceiptAnchor[],
  tree = batchTree(hashes),
): Receipt {
  return {
    format: 'holdfast-receipt/1',
    tree: 'holdfast-keccak-v1',
    hash: hashes[leafIndex]!,
    receivedAt: new Date(Date.parse(anchors[0]!.blockTime) - 2500).toISOString(),
    leaf: tree.leaf(leafIndex),
    batch: { id: '123', leafIndex, leafCount: hashes.length, root: tree.root },
    path: tree.path(leafIndex),
    anchors: anchors.map(({ chainId, registry, publisher, root, path, ...rest }) => {
      return { chainId, registry, publisher, root, path, ...rest }
    }),
  }
}

/** A receipt with one anchor of three batches, on the chain. */
export async function anchoredReceipt(
  url: string,
  hashes: Hex[],
  leafIndex: number,
  method: 'anchor' | 'announce' = 'anchor',
): Promise<Receipt> {
  const tree = batchTree(hashes)
  const over = anchorTree([keccakHex('before'), tree.root, keccakHex('after')])
  const anchor = { ...(await anchorRoot(url, over.root, method)), path: over.path(1) }
  return receiptOf(hashes, leafIndex, [anchor], tree)
}

export function keccakHex(text: string): Hex {
  return `0x${keccak256(Buffer.from(text)).toString('hex')}`
}

/** `n` different record hashes. */
export function someHashes(n: number, seed = 'record'): Hex[] {
  return Array.from({ length: n }, (_, i) => keccakHex(`${seed} ${i}`))
}
