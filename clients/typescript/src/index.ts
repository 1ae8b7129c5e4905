/** The public face of `holdfast-client`. In: hashes and receipts. Out: durable acknowledgements and verdicts. */

export {
  type CallOptions,
  type ClientSettings,
  createHoldfastClient,
  type HashSource,
  type HoldfastClient,
  type PushOptions,
} from './client/client.ts'
export type { LineKind, TextSource } from './client/lines.ts'
export type { PushResult } from './client/push.ts'
export type { ReceiptAnswer, ReceiptLine, RecordState, RecordStatus } from './client/receipts.ts'
export type { Goal } from './client/wait.ts'
export { type ClientErrorCode, type ErrorContext, type ErrorKind, HoldfastError } from './errors.ts'
export {
  type Hex,
  PUBLISHED_REGISTRY,
  RECEIPT_FORMAT,
  type Receipt,
  type ReceiptAnchor,
  TREE_NAME,
} from './format.ts'
export type { HashInput } from './hex.ts'
export { type DocumentSource, hashFile, hashRecord } from './record-hash.ts'
export type { RpcEndpoints } from './verify/endpoints.ts'
export { parseReceipt } from './verify/parse-receipt.ts'
export type { PathCheck } from './verify/path.ts'
export type {
  AnchorReading,
  Check,
  EndpointAnswer,
  Stated,
  Verdict,
  VerdictReason,
  Verification,
  VerifiedAnchor,
} from './verify/verification.ts'
export {
  type VerifyOptions,
  type VerifySubject,
  verifyReceipt,
  verifyReceipts,
} from './verify/verify-receipt.ts'
export type { AddressChoice } from './verify/vouching.ts'
