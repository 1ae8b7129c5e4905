import type { Hex } from './hash.ts'

export const RECEIPT_FORMAT = 'holdfast-receipt/1'
export const TREE_NAME = 'holdfast-keccak-v1'
/** A longer path is invalid: 2^64 leaves are more than a tree can hold. */
export const MAX_PATH_LENGTH = 64

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

/** The normative receipt, see docs/receipt-format.md. */
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
