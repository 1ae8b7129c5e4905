/** The receipt's vocabulary is the client's: one definition for those who issue receipts and those who check them. */
export {
  MAX_PATH_LENGTH,
  RECEIPT_FORMAT,
  type Receipt,
  type ReceiptAnchor,
  TREE_NAME,
} from 'holdfast-client/format'
