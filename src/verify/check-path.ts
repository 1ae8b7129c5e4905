/**
 * A receipt's paths by merkletreejs and the keccak256 package: on purpose neither `src/merkle`, which builds trees, nor
 * the client's verifier. Both must agree with this one, so that one mistake cannot build a tree and approve it.
 */
import type { PathCheck } from 'holdfast-client'
import keccak256 from 'keccak256'
import { MerkleTree } from 'merkletreejs'
import type { Hex } from '../core/hash.ts'
import { MAX_PATH_LENGTH } from '../core/receipt.ts'

/** Joined pairs kept by {@link createSecondPathCheck}; about 30 MB when full. */
const MAX_REMEMBERED = 131_072

/** keccak256(keccak256(hash)): the leaf of a record hash, as OpenZeppelin's standard tree makes it of `["bytes32"]`. */
export function leafOfHash(hash: Hex): Hex {
  return `0x${keccak256(keccak256(hash)).toString('hex')}`
}

/**
 * Whether `node` is under `root` by the siblings in `path`, lowest first, pairs in bytewise order.
 * A path longer than 64 never is. All must be 32 bytes as lower-case 0x hex: merkletreejs coerces other strings.
 */
export function isUnderRoot(
  node: Hex,
  path: readonly Hex[],
  root: Hex,
  hash: (data: Buffer) => Buffer = keccak256,
): boolean {
  if (path.length > MAX_PATH_LENGTH) return false
  return MerkleTree.verify([...path], node, root, hash, { sortPairs: true })
}

/** The same for many receipts: joins each pair of nodes once, since receipts of one batch share most of theirs. */
export function createSecondPathCheck(): PathCheck {
  const parents = new Map<string, Buffer>()
  const remembering = (pair: Buffer): Buffer => {
    const key = pair.toString('latin1')
    const known = parents.get(key)
    if (known !== undefined) return known
    if (parents.size >= MAX_REMEMBERED) parents.clear()
    const parent = keccak256(pair)
    parents.set(key, parent)
    return parent
  }
  return { leafOf: leafOfHash, isUnderRoot: (node, path, root) => isUnderRoot(node, path, root, remembering) }
}
