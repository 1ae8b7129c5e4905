import type { ColumnType, Generated, GeneratedAlways, Kysely } from 'kysely'
import type { AnchorReason, AnchorState } from '../../core/anchor-state.ts'

/** The tables as kysely sees them; docs/design.md says what each is for. `bigint` columns are read as numbers. */
export type Schema = {
  source: SourceTable
  intake: IntakeTable
  batch: BatchTable
  arrival: ArrivalTable
  tile: TileTable
  leaf_run: LeafRunTable
  leaf_page: LeafPageTable
  anchor: AnchorTable
  anchor_batch: AnchorBatchTable
  attempt: AttemptTable
  account: AccountTable
  lease: LeaseTable
}

/** Typed queries over a pool, for what needs neither COPY nor a connection of its own. */
export type Queries = Kysely<Schema>

type SourceTable = {
  id: GeneratedAlways<number>
  name: string
  /** SHA-256 of the API key, 32 bytes. */
  key_hash: Buffer
  scopes: readonly ('ingest' | 'audit' | 'admin')[]
  /** Limits of this source; null means none. */
  quota: unknown | null
  created_at: Generated<Date>
  revoked_at: Date | null
}

type IntakeTable = {
  id: GeneratedAlways<number>
  source_id: number
  received_at: Date
  leaf_count: number
  /** leaf_count x 32 bytes. */
  hashes: Buffer
}

type BatchTable = {
  id: number
  leaf_count: number
  root: Buffer
  sealed_at: ColumnType<Date, Date | undefined, never>
  first_received_at: Date
  last_received_at: Date
  /** Position of the batch's first leaf among all leaves ever sealed. */
  first_index: number
}

type ArrivalTable = { batch_id: number; first_leaf: number; source_id: number; received_at: Date }

type TileTable = {
  batch_id: number
  level: number
  index: number
  nodes: Buffer
  /** The roots of its groups of 32 nodes; null when it has one group, or is older than this column. */
  group_roots: Buffer | null
}

type LeafRunTable = {
  id: GeneratedAlways<number>
  /** 0 for a run as sealed; a merge of tier t makes tier t + 1. */
  tier: number
  entry_count: number
  page_count: number
  /** The run that its entries are being moved to. */
  merging_into: number | null
}

/** `first_entry` (16 bytes) is the page's first entry; `entries` is up to 251 x 16 bytes (499 in runs of older versions), sorted bytewise. */
type LeafPageTable = { run_id: number; first_entry: Buffer; entries: Buffer }

type AnchorTable = {
  id: GeneratedAlways<number>
  chain_id: number
  registry: string
  publisher: string
  mode: 'storage' | 'event'
  root: Buffer
  state: AnchorState
  first_batch: number
  last_batch: number
  leaf_count: number
  /** When the oldest of its records must be anchored. */
  anchor_by: Date
  created_at: Generated<Date>
  /** The attempt that was mined. */
  transaction_hash: Buffer | null
  block_number: number | null
  block_hash: Buffer | null
  block_time: Date | null
  gas_used: number | null
  finalized_at: Date | null
  reason: AnchorReason | null
  detail: string | null
  /** What an operator asked for and the anchorer has not done yet. */
  wish: 'cancel' | 'retry' | null
}

type AnchorBatchTable = {
  batch_id: number
  anchor_id: number
  /** Siblings from the batch root to the anchor's root, n x 32 bytes. */
  path: Buffer
}

type AttemptTable = {
  id: GeneratedAlways<number>
  anchor_id: number
  chain_id: number
  address: string
  kind: 'anchor' | 'noop'
  nonce: number
  raw: Buffer
  hash: Buffer
  /** Wei. For legacy transactions the gas price stands in both. */
  max_fee_per_gas: string
  max_priority_fee_per_gas: string
  gas_limit: number
  state: 'stored' | 'sent' | 'refused' | 'mined' | 'reverted' | 'superseded'
  created_at: Generated<Date>
  sent_at: Date | null
  send_count: Generated<number>
  /** Last answer that was not an acceptance. */
  error: string | null
  block_number: number | null
  block_hash: Buffer | null
  mined_at: Date | null
  gas_used: number | null
  /** Wei, gas and (on rollups) data fee together; known once it was mined. */
  fee_paid: string | null
}

type AccountTable = {
  chain_id: number
  address: string
  /** Whether the first nonce is certain; false while only one answer of a node says so, and nothing was signed. */
  confirmed: Generated<boolean>
  next_nonce: number
  /** A contradiction that a person must look at; nothing is signed for the account until it is resumed. */
  paused_reason: string | null
  paused_detail: string | null
  paused_at: Date | null
  /** The pause that an operator lifted, until the anchorer has acted on it. */
  resumed_reason: string | null
  /** Why batches that belong to no anchor yet are not being anchored, when they could be. */
  waiting_reason: AnchorReason | null
  waiting_detail: string | null
}

type LeaseTable = { name: string; owner: string; epoch: number; until: Date }
