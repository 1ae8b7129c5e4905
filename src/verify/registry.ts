import { Interface } from 'ethers'
import type { Hex } from '../core/hash.ts'

/**
 * Where Holdfast's published AnchorRegistry stands on every chain: CREATE2 makes the address from the contract's code,
 * so no other code can be there. A test compares it with contracts/build.
 */
export const PUBLISHED_REGISTRY = '0x84551eB996F70258294E5642Ad09f87EB3c8864A'

const registry = new Interface([
  'event Anchored(address indexed publisher, bytes32 indexed root)',
  'function anchoredAt(address publisher, bytes32 root) view returns (uint256)',
])

/** Topics of the log that `registry` emits when `publisher` shows `root`. */
export function anchoredTopics(publisher: Hex, root: Hex): string[] {
  return registry.encodeFilterTopics('Anchored', [publisher, root]) as string[]
}

/** Call data of `anchoredAt(publisher, root)`; the answer is one 32-byte number. */
export function anchoredAtCall(publisher: Hex, root: Hex): string {
  return registry.encodeFunctionData('anchoredAt', [publisher, root])
}
