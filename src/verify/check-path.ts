/**
 * A receipt's Merkle paths, checked with merkletreejs and the keccak256 package: on purpose not with `src/merkle`,
 * so that one mistake cannot both build a tree and approve it. Isomorphic.
 */
import keccak256 from 'keccak256'
import { MerkleTree } from 'merkletreejs'
import type { Hex } from '../core/hash.ts'
import { MAX_PATH_LENGTH } from '../core/receipt.ts'

/** keccak256(keccak256(hash)): the leaf of a record hash, as OpenZeppelin's standard tree makes it of `["bytes32"]`. */
export function leafOfHash(hash: Hex): Hex {
  return `0x${keccak256(keccak256(hash)).toString('hex')}`
}

/**
 * Siblings on the way from a leaf to the root where pairs are joined and a lone odd node moves up unchanged.
 * @param leafIndex 0-based, less than `leafCount`
 */
export function pathLengthOf(leafIndex: number, leafCount: number): number {
  let length = 0
  for (
    let index = leafIndex, width = leafCount;
    width > 1;
    index = Math.floor(index / 2), width = Math.ceil(width / 2)
  ) {
    const isLoneOdd = index === width - 1 && width % 2 === 1
    if (!isLoneOdd) length++
  }
  return length
}

/**
 * Whether `node` is under `root` by the siblings in `path`, lowest first, pairs in bytewise order.
 * A path longer than 64 never is. All must be 32 bytes as lower-case 0x hex: merkletreejs coerces other strings.
 */
export function isUnderRoot(node: Hex, path: Hex[], root: Hex): boolean {
  if (path.length > MAX_PATH_LENGTH) return false
  return MerkleTree.verify(path, node, root, keccak256, { sortPairs: true })
}
