/** The registry's event and its one question, as bytes. A test compares them with the contract's ABI. */
import type { Hex } from '../format.ts'

/** keccak256 of `Anchored(address,bytes32)`. */
export const ANCHORED_TOPIC: Hex = '0xee1610244dfc4b116b1433dd4459fd7b1d3d2bf737a05fc3f6d8f173005d7147'
/** First 4 bytes of keccak256 of `anchoredAt(address,bytes32)`. */
const ANCHORED_AT_SELECTOR = '0xf8c2919d'

/** Topics of the log that the registry emits when `publisher` shows `root`. */
export function anchoredTopics(publisher: Hex, root: Hex): Hex[] {
  return [ANCHORED_TOPIC, `0x${wordOf(publisher)}`, root]
}

/** Call data of `anchoredAt(publisher, root)`; the answer is one 32-byte number. */
export function anchoredAtCall(publisher: Hex, root: Hex): string {
  return ANCHORED_AT_SELECTOR + wordOf(publisher) + root.slice(2)
}

function wordOf(address: Hex): string {
  return address.slice(2).toLowerCase().padStart(64, '0')
}
