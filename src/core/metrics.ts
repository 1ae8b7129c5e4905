/**
 * The one table of metrics. The name tells the unit, as Prometheus wants it: `_seconds`, `_bytes`, `_total` for counters.
 * A metric that is not here does not compile; `ops/metrics.ts` registers all of them at start.
 */
import { ANCHOR_REASONS } from './anchor-state.ts'

export type MetricDefinition = {
  type: 'counter' | 'gauge' | 'histogram'
  /** One sentence, as `/metrics` shows it. */
  help: string
  /**
   * Label names with the values they can take. `null`: known only at run time. `chain` is filled with the configured
   * chain ids. A counter whose labels are all known starts at zero, so that `increase()` sees the first event.
   */
  labels: Readonly<Record<string, readonly string[] | null>>
}

const CHAIN = { chain: null } as const
const ENDPOINT = { chain: null, endpoint: null } as const
const TICK = { tick: null } as const

export const METRICS = {
  holdfast_build_info: {
    type: 'gauge',
    help: 'Always 1; the labels tell the version of Holdfast and of Node.',
    labels: { version: null, node: null },
  },
  holdfast_clock_skew_seconds: {
    type: 'gauge',
    help: 'How far this machine’s clock is ahead of the database’s, or of the newest block of eip155:<chain id>.',
    labels: { against: null },
  },
  holdfast_leader: {
    type: 'gauge',
    help: 'Whether this daemon holds the lease of the work: seal, or anchor:<chain id>.',
    labels: { work: null },
  },

  holdfast_http_requests_total: {
    type: 'counter',
    help: 'HTTP answers by route and status.',
    labels: { route: null, status: null },
  },
  holdfast_http_request_seconds: {
    type: 'histogram',
    help: 'Time from a request to its answer by route; event streams and pushes of one hash aside.',
    labels: { route: null },
  },
  holdfast_http_problems_total: {
    type: 'counter',
    help: 'Problem documents by error code.',
    labels: { code: null },
  },
  holdfast_http_connections_refused_total: {
    type: 'counter',
    help: 'Connections refused because too many were open.',
    labels: {},
  },
  holdfast_http_slow_clients_total: {
    type: 'counter',
    help: 'Clients cut off because they sent a body or read an answer too slowly.',
    labels: { direction: ['in', 'out'] },
  },

  holdfast_intake_hashes_total: {
    type: 'counter',
    help: 'Hashes committed to the intake log.',
    labels: {},
  },
  holdfast_intake_commit_seconds: {
    type: 'histogram',
    help: 'Time of one commit to the intake log.',
    labels: {},
  },
  holdfast_intake_failures_total: {
    type: 'counter',
    help: 'Commits to the intake log that failed; their requests were answered with an error.',
    labels: {},
  },
  holdfast_intake_overloaded_total: {
    type: 'counter',
    help: 'Pushes refused because too much waits to be committed.',
    labels: {},
  },
  holdfast_intake_backlog_hashes: {
    type: 'gauge',
    help: 'Hashes that are stored and not sealed yet.',
    labels: {},
  },
  holdfast_intake_backlog_age_seconds: {
    type: 'gauge',
    help: 'Age of the oldest hash that is not sealed yet; 0 when none waits.',
    labels: {},
  },

  holdfast_seal_seconds: { type: 'histogram', help: 'Time to seal one batch.', labels: {} },
  holdfast_sealed_leaves_total: { type: 'counter', help: 'Hashes sealed into batches.', labels: {} },
  holdfast_seal_failures_total: {
    type: 'counter',
    help: 'Attempts to seal that failed and are repeated.',
    labels: {},
  },
  holdfast_seal_restarts_total: {
    type: 'counter',
    help: 'Restarts of the sealing thread after it ended unexpectedly.',
    labels: {},
  },

  holdfast_ticks_total: { type: 'counter', help: 'Anchoring ticks that succeeded.', labels: TICK },
  holdfast_tick_failures_total: { type: 'counter', help: 'Anchoring ticks that failed.', labels: TICK },
  holdfast_ticks_skipped_total: {
    type: 'counter',
    help: 'Ticks skipped because the one before was still running.',
    labels: TICK,
  },
  holdfast_ticks_late_total: {
    type: 'counter',
    help: 'Ticks made up for after the process was busy or suspended.',
    labels: TICK,
  },
  holdfast_tick_seconds: { type: 'histogram', help: 'Time of one anchoring tick.', labels: TICK },
  holdfast_tick_last_success_timestamp_seconds: {
    type: 'gauge',
    help: 'Unix time of the last tick that succeeded.',
    labels: TICK,
  },

  holdfast_anchor_backlog_batches: {
    type: 'gauge',
    help: 'Sealed batches that no anchor of the chain holds yet.',
    labels: CHAIN,
  },
  holdfast_anchor_late_seconds: {
    type: 'gauge',
    help: 'How far the oldest waiting record is past its anchorBy; 0 when none is late.',
    labels: CHAIN,
  },
  holdfast_anchor_hindered: {
    type: 'gauge',
    help: '1 for the reason why anchoring waits, 0 for every other reason.',
    labels: { chain: null, reason: ANCHOR_REASONS },
  },
  holdfast_anchor_changes_total: {
    type: 'counter',
    help: 'Changes of anchors as the chain shows them.',
    labels: { chain: null, change: ['anchored', 'moved', 'finalized', 'reorged', 'freed'] },
  },
  holdfast_anchor_sends_total: {
    type: 'counter',
    help: 'Sends of signed transactions by outcome.',
    labels: { chain: null, outcome: ['accepted', 'refused', 'unknown'] },
  },
  holdfast_anchor_paused_total: {
    type: 'counter',
    help: 'Pauses of the signing account, each for a contradiction that needs a person.',
    labels: {
      chain: null,
      reason: ['key_used_elsewhere', 'finality_contradicted', 'nonce_gap', 'reverted', 'operator'],
    },
  },
  holdfast_anchor_pass_failures_total: {
    type: 'counter',
    help: 'Looks at the chain that failed, by error code.',
    labels: { chain: null, code: null },
  },
  holdfast_balance_wei: { type: 'gauge', help: 'Balance of the signing account.', labels: CHAIN },
  holdfast_balance_days: {
    type: 'gauge',
    help: 'How long the balance lasts at the spending of the last week.',
    labels: CHAIN,
  },
  holdfast_daily_limit_passed_total: {
    type: 'counter',
    help: 'Transactions signed although dailySpendLimitEth was passed (spendPolicy alarm).',
    labels: CHAIN,
  },

  holdfast_finality_age_seconds: {
    type: 'gauge',
    help: 'Time since the newest final block advanced while the chain went on; 0 where the chain does not tell it.',
    labels: CHAIN,
  },
  holdfast_rpc_seconds: {
    type: 'histogram',
    help: 'Time of one JSON-RPC call.',
    labels: { chain: null, endpoint: null, method: null },
  },
  holdfast_rpc_up: {
    type: 'gauge',
    help: 'Whether the last look through the endpoint succeeded.',
    labels: ENDPOINT,
  },
  holdfast_rpc_failures_total: { type: 'counter', help: 'Failures of the endpoint.', labels: ENDPOINT },
  holdfast_rpc_head: { type: 'gauge', help: 'Newest block number of the endpoint.', labels: ENDPOINT },
} as const satisfies Record<string, MetricDefinition>

export type MetricName<T extends MetricDefinition['type'] = MetricDefinition['type']> = {
  [N in keyof typeof METRICS]: (typeof METRICS)[N]['type'] extends T ? N : never
}[keyof typeof METRICS]

type Labels<N extends MetricName> = keyof (typeof METRICS)[N]['labels'] extends never
  ? []
  : [labels: Record<keyof (typeof METRICS)[N]['labels'], string>]

/** Counters, gauges and histograms by name. `ops/metrics.ts` gives them to Prometheus; tests may pass `noMetrics`. */
export type Metrics = {
  count<N extends MetricName<'counter'>>(name: N, by: number, ...labels: Labels<N>): void
  gauge<N extends MetricName<'gauge'>>(name: N, value: number, ...labels: Labels<N>): void
  /** @param seconds a duration in seconds */
  observe<N extends MetricName<'histogram'>>(name: N, seconds: number, ...labels: Labels<N>): void
}

export const noMetrics: Metrics = { count() {}, gauge() {}, observe() {} }
