/** What goes wrong when: a pure function of the seed, the length of the run and the kinds of fault that are wanted. */

/** Faults of a JSON-RPC endpoint, each for a while; what the endpoint does then is in rpc-faults.ts. */
export const RPC_FAULTS = [
  'rpc_drop_reply',
  'rpc_drop_request',
  'rpc_delay',
  'rpc_duplicate',
  'rpc_429',
  'rpc_503',
  'rpc_wrong_id',
  'rpc_stale',
  'rpc_wording',
  'rpc_refused',
  'rpc_slow_limited',
] as const

export const FAULTS = [
  'kill',
  'kill_at_point',
  'stop_at_point',
  'suspend',
  'database_restart',
  'disk_full',
  'lost_commit_answer',
  'wrong_clock',
  ...RPC_FAULTS,
  'reorg',
  'fee_spike',
  'drop_transaction',
  'older_wins',
  'no_blocks',
] as const

export type FaultKind = (typeof FAULTS)[number]
export type RpcFaultKind = (typeof RPC_FAULTS)[number]

/** The instants that the steps announce, see src/core/fault-point.ts. */
const FAULT_POINTS = [
  'seal-before-commit',
  'seal-after-commit',
  'anchor-planned',
  'attempt-signed',
  'attempt-stored',
  'before-send',
  'after-send',
] as const

/** The application names of the connections on which a daemon commits. */
const WRITERS = ['holdfast-ingest', 'holdfast-seal', 'holdfast-anchor'] as const
/** Also beyond what any tolerance of the receipts' verifier would forgive. */
const CLOCK_SHIFTS_MS = [-3_600_000, -400_000, -5_000, 5_000, 400_000, 3_600_000] as const

/** The replica that holds a lease when the time comes, or one by its number. */
export type Target = 'seal' | 'anchor' | 0 | 1

export type FaultEvent = { atMs: number } & (
  | { kind: 'kill'; target: Target; downMs: number }
  | { kind: 'kill_at_point'; point: (typeof FAULT_POINTS)[number]; downMs: number }
  | { kind: 'stop_at_point'; point: (typeof FAULT_POINTS)[number]; longestMs: number }
  | { kind: 'suspend'; target: Target; stopMs: number }
  | { kind: 'database_restart'; downMs: number }
  | { kind: 'disk_full'; forMs: number }
  | { kind: 'lost_commit_answer'; application: (typeof WRITERS)[number]; count: number }
  | { kind: 'wrong_clock'; target: Target; shiftMs: number; forMs: number }
  | { kind: RpcFaultKind; endpoints: readonly number[]; forMs: number; share: number; seed: number }
  | { kind: 'reorg'; depth: 1 | 2 | 3; again: boolean }
  | { kind: 'fee_spike'; gwei: number }
  | { kind: 'drop_transaction' }
  | { kind: 'older_wins' }
  | { kind: 'no_blocks'; forMs: number }
)

/** mulberry32: small, seeded, the same everywhere. Numbers from 0 to below 1. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const PAUSING: readonly FaultKind[] = ['kill_at_point', 'stop_at_point', 'suspend']
/** A lease's length and a bit: what is away for longer is overtaken. */
const PAST_THE_LEASE_MS = 2_600

/** Between two events of a row, at least and at most. */
const KILL_GAP_MS = [3_400, 4_400] as const
const PAUSE_GAP_MS = [6_000, 9_000] as const
const OTHER_GAP_MS = [600, 1_400] as const
const FIRST_AFTER_MS = 1_000

/** Plain kills that a schedule of this length holds at least, when `kill` is among its kinds: 67 in 300 seconds. */
export const promisedKills = (seconds: number): number =>
  Math.max(0, Math.floor((seconds * 1_000 - FIRST_AFTER_MS) / KILL_GAP_MS[1]))
/** From this length on, a schedule holds every kind several times, and each must take effect. */
export const EVERY_KIND_FROM_SECONDS = 120

/**
 * Three rows of events side by side: plain kills, which strike anywhere; what stops or ends a replica at a chosen
 * instant; and everything else, about every second. The same arguments give the same events. Each row deals its kinds
 * from a shuffled deck, so that a minute of a run uses every one at least twice.
 */
export function planFaults(seed: number, seconds: number, kinds: readonly FaultKind[]): FaultEvent[] {
  const random = randomOf(seed)
  const between = (low: number, high: number) => low + random() * (high - low)
  const whole = (low: number, high: number) => Math.round(between(low, high))
  const oneOf = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!
  const deckOf = <T>(items: readonly T[]) => {
    let deck: T[] = []
    return (): T => {
      if (deck.length === 0) deck = [...items]
      return deck.splice(Math.floor(random() * deck.length), 1)[0]!
    }
  }
  const target = () => oneOf<Target>(['seal', 'anchor', 0, 1])
  const nextPoint = deckOf(FAULT_POINTS)

  const eventOf = (kind: FaultKind, atMs: number): FaultEvent => {
    switch (kind) {
      case 'kill':
        return { atMs, kind, target: target(), downMs: whole(50, 1_500) }
      case 'kill_at_point':
        return { atMs, kind, point: nextPoint(), downMs: whole(50, 800) }
      case 'stop_at_point':
        return { atMs, kind, point: nextPoint(), longestMs: whole(6_000, 9_000) }
      case 'suspend':
        return { atMs, kind, target: target(), stopMs: whole(PAST_THE_LEASE_MS, 4_500) }
      case 'database_restart':
        return { atMs, kind, downMs: whole(0, 1_500) }
      case 'disk_full':
        return { atMs, kind, forMs: whole(1_000, 3_000) }
      case 'lost_commit_answer':
        return { atMs, kind, application: oneOf(WRITERS), count: whole(1, 3) }
      case 'wrong_clock':
        return { atMs, kind, target: target(), shiftMs: oneOf(CLOCK_SHIFTS_MS), forMs: whole(2_000, 5_000) }
      case 'reorg':
        return { atMs, kind, depth: oneOf([1, 2, 3] as const), again: random() < 0.5 }
      case 'fee_spike':
        return { atMs, kind, gwei: whole(5, 300) }
      case 'drop_transaction':
      case 'older_wins':
        return { atMs, kind }
      case 'no_blocks':
        return { atMs, kind, forMs: whole(1_500, 3_500) }
      default:
        return {
          atMs,
          kind,
          endpoints: oneOf([[0], [1], [0], [1], [0, 1]]),
          forMs: kind === 'rpc_slow_limited' ? whole(3_000, 6_000) : whole(600, 2_000),
          // Transactions are rare, and only they get another wording; a limit spares nobody.
          share: kind === 'rpc_wording' || kind === 'rpc_slow_limited' ? 1 : between(0.2, 1),
          seed: whole(0, 2 ** 31),
        }
    }
  }

  const row = (dealt: readonly FaultKind[], gapMs: readonly [low: number, high: number]): FaultEvent[] => {
    if (dealt.length === 0) return []
    const deal = deckOf(dealt)
    const events: FaultEvent[] = []
    for (let at = FIRST_AFTER_MS + between(...gapMs); at < seconds * 1_000; at += between(...gapMs)) {
      events.push(eventOf(deal(), Math.round(at)))
    }
    return events
  }
  const others = kinds.filter((kind) => kind !== 'kill' && !PAUSING.includes(kind))
  return [
    ...row(
      kinds.filter((kind) => kind === 'kill'),
      KILL_GAP_MS,
    ),
    ...row(
      kinds.filter((kind) => PAUSING.includes(kind)),
      PAUSE_GAP_MS,
    ),
    ...row(others, OTHER_GAP_MS),
  ].sort((a, b) => a.atMs - b.atMs)
}
