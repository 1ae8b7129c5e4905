import { type Kysely, sql } from 'kysely'

/** Every table of the design. Bulk columns are stored external and uncompressed: hashes do not compress. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `create table source (
    id int generated always as identity primary key,
    name text not null unique,
    key_hash bytea not null unique check (length(key_hash) = 32),
    scopes text[] not null,
    quota jsonb,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
  )`,

  `create table intake (
    id bigint generated always as identity primary key,
    source_id int not null,
    received_at timestamptz not null,
    leaf_count int not null check (leaf_count > 0),
    hashes bytea not null check (length(hashes) = leaf_count * 32)
  ) with (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 20000
  )`,
  'alter table intake alter column hashes set storage external',

  `create table batch (
    id int primary key,
    leaf_count int not null check (leaf_count > 0),
    root bytea not null check (length(root) = 32),
    sealed_at timestamptz not null default clock_timestamp(),
    first_received_at timestamptz not null,
    last_received_at timestamptz not null,
    first_index bigint not null unique
  )`,

  `create table arrival (
    batch_id int not null,
    first_leaf int not null,
    source_id int not null,
    received_at timestamptz not null,
    primary key (batch_id, first_leaf)
  )`,

  `create table tile (
    batch_id int not null,
    level smallint not null,
    index int not null,
    nodes bytea not null check (length(nodes) % 32 = 0 and length(nodes) between 32 and 8192),
    primary key (batch_id, level, index)
  )`,
  'alter table tile alter column nodes set storage external',

  `create table leaf_run (
    id bigint generated always as identity primary key,
    tier smallint not null,
    entry_count bigint not null,
    page_count int not null
  )`,

  `create table leaf_page (
    run_id bigint not null,
    first_entry bytea not null check (length(first_entry) = 16),
    entries bytea not null check (length(entries) % 16 = 0),
    primary key (run_id, first_entry)
  )`,
  'alter table leaf_page alter column entries set storage external',

  `create table anchor (
    id bigint generated always as identity primary key,
    chain_id bigint not null,
    registry text not null,
    publisher text not null,
    mode text not null check (mode in ('storage', 'event')),
    root bytea not null check (length(root) = 32),
    state text not null check (state in ('prepared', 'submitted', 'mined', 'finalized')),
    first_batch int not null,
    last_batch int not null,
    leaf_count bigint not null,
    anchor_by timestamptz not null,
    created_at timestamptz not null default clock_timestamp(),
    transaction_hash bytea,
    block_number bigint,
    block_hash bytea,
    block_time timestamptz,
    gas_used bigint,
    finalized_at timestamptz,
    reason text,
    detail text,
    wish text check (wish in ('cancel', 'retry')),
    unique (chain_id, first_batch),
    check (last_batch >= first_batch),
    check (state not in ('mined', 'finalized') or (transaction_hash is not null and block_hash is not null))
  )`,
  `create index anchor_open on anchor (chain_id, id) where state <> 'finalized'`,

  `create table anchor_batch (
    batch_id int not null,
    anchor_id bigint not null references anchor (id),
    path bytea not null check (length(path) % 32 = 0),
    primary key (batch_id, anchor_id)
  )`,

  `create table attempt (
    id bigint generated always as identity primary key,
    anchor_id bigint not null references anchor (id),
    chain_id bigint not null,
    address text not null,
    kind text not null check (kind in ('anchor', 'noop')),
    nonce bigint not null,
    raw bytea not null,
    hash bytea not null unique check (length(hash) = 32),
    max_fee_per_gas numeric(78) not null,
    max_priority_fee_per_gas numeric(78) not null,
    gas_limit bigint not null,
    state text not null check (state in ('stored', 'sent', 'refused', 'mined', 'reverted', 'superseded')),
    created_at timestamptz not null default clock_timestamp(),
    sent_at timestamptz,
    send_count int not null default 0,
    error text,
    block_number bigint,
    block_hash bytea,
    mined_at timestamptz,
    fee_paid numeric(78)
  )`,
  'create index attempt_anchor on attempt (anchor_id)',
  'create index attempt_nonce on attempt (chain_id, address, nonce)',

  `create table account (
    chain_id bigint not null,
    address text not null,
    next_nonce bigint not null,
    paused_reason text,
    paused_detail text,
    paused_at timestamptz,
    resumed_reason text,
    waiting_reason text,
    waiting_detail text,
    primary key (chain_id, address)
  )`,

  `create table lease (
    name text primary key,
    owner text not null,
    epoch bigint not null,
    until timestamptz not null
  )`,
]
