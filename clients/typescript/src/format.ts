/** Words and limits of `holdfast-receipt/1`; docs/receipt-format.md is the specification. */

/** `0x` and lower-case hex digits. */
export type Hex = `0x${string}`

export const RECEIPT_FORMAT = 'holdfast-receipt/1'
/** Name of the tree whose paths receipts hold; docs/design.md, "The tree". */
export const TREE_NAME = 'holdfast-keccak-v1'
/** A longer path is invalid: no tree holds 2^64 leaves. */
export const MAX_PATH_LENGTH = 64
/** Anchors in one receipt. */
export const MAX_ANCHORS = 32
/** Characters of one receipt, white space included. */
export const MAX_RECEIPT_LENGTH = 1_048_576
/**
 * Address of Holdfast's AnchorRegistry on every chain. CREATE2 derives it from the contract's code, so no other code
 * can have it.
 */
export const PUBLISHED_REGISTRY: Hex = '0x84551eB996F70258294E5642Ad09f87EB3c8864A'

/** Where one batch's root stands on one chain. Addresses are EIP-55 checksummed, hashes lower-case. */
export type ReceiptAnchor = {
  /** CAIP-2 chain id, `eip155:<decimal>`. */
  chainId: `eip155:${string}`
  registry: Hex
  publisher: Hex
  root: Hex
  /** Siblings from the batch root up to `root`, lowest first. */
  path: Hex[]
  transactionHash: Hex
  blockNumber: number
  blockHash: Hex
  /** RFC 3339, UTC, milliseconds. */
  blockTime: string
  status: 'mined' | 'finalized'
}

export type Receipt = {
  format: typeof RECEIPT_FORMAT
  tree: typeof TREE_NAME
  hash: Hex
  receivedAt: string
  leaf: Hex
  batch: { id: string; leafIndex: number; leafCount: number; root: Hex }
  /** Siblings from the leaf up to `batch.root`, lowest first. */
  path: Hex[]
  anchors: ReceiptAnchor[]
}
