/** The tree `holdfast-keccak-v1` from a receipt's side: leaves, paths, and how long a path must be. */
import { type Hex, MAX_PATH_LENGTH } from '../format.ts'
import { keccakOfHex } from './keccak.ts'

/** What a verifier asks of an implementation of the tree. */
export type PathCheck = {
  /** keccak256(keccak256(hash)). */
  leafOf(hash: Hex): Hex
  /** Whether `node` is under `root` by the siblings in `path`, lowest first. All are lower-case 32-byte hex. */
  isUnderRoot(node: Hex, path: readonly Hex[], root: Hex): boolean
}

/** Joined pairs kept; receipts of one batch share most of theirs. About 100 MB when full. */
const MAX_JOINED = 262_144

/**
 * Checks paths and remembers every pair of nodes it has joined, so that many receipts of one batch cost about one
 * Keccak-256 each beside the leaf's two.
 */
export function createPathCheck(maxJoined: number = MAX_JOINED): PathCheck {
  const joined = new Map<Hex, { sibling: Hex; parent: Hex }>()

  function parentOf(node: Hex, sibling: Hex): Hex {
    const known = joined.get(node)
    if (known !== undefined && known.sibling === sibling) return known.parent
    const parent = node < sibling ? keccakOfHex(node, sibling) : keccakOfHex(sibling, node)
    if (joined.size >= maxJoined) joined.clear()
    joined.set(node, { sibling, parent })
    joined.set(sibling, { sibling: node, parent })
    return parent
  }

  return {
    leafOf: leafOfHash,
    isUnderRoot(node, path, root) {
      if (path.length > MAX_PATH_LENGTH) return false
      let at = node
      for (const sibling of path) at = parentOf(at, sibling)
      return at === root
    },
  }
}

/** The leaf of a record hash, as OpenZeppelin's standard tree makes it of `["bytes32"]`. */
export function leafOfHash(hash: Hex): Hex {
  return keccakOfHex(keccakOfHex(hash))
}

/**
 * Siblings from a leaf to the root, where pairs are joined and a last node without a partner moves up unchanged.
 * @param leafIndex 0-based, less than `leafCount`; both are at most 2^53 - 1
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
