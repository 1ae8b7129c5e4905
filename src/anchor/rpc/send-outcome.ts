import { RpcAnswerError } from 'holdfast-client/json-rpc'

/**
 * Why a node does not want the bytes:
 * `nonce_low` the nonce is spent (perhaps on these very bytes), `nonce_high` there is a gap below it,
 * `replacement` the raise over the pooled transaction is too small, `underpriced` the offer is below what the node or
 * the block takes now, `fee_limit` it is above the node's own limit, `funds`, `gas` the limit is too low or too high,
 * `pool_full`, `type` the chain knows no such transactions, `invalid` anything that the same bytes will never get past.
 */
export type RefusalReason =
  | 'nonce_low'
  | 'nonce_high'
  | 'replacement'
  | 'underpriced'
  | 'fee_limit'
  | 'funds'
  | 'gas'
  | 'pool_full'
  | 'type'
  | 'invalid'

/**
 * `unknown`: it may have been accepted, or not; only a receipt will tell. `unsent`: certainly not, no endpoint got the
 * bytes.
 */
export type SendOutcome =
  | { kind: 'accepted' }
  | { kind: 'refused'; reason: RefusalReason; message: string }
  | { kind: 'unknown' | 'unsent'; message: string }

/** The first that matches decides. Wordings by node and gateway: test/vectors/rpc-wordings.json. */
const WORDINGS: readonly [RegExp, 'accepted' | RefusalReason][] = [
  [
    /already ?known|already ?imported|already in (the )?(mem)?pool|already exists in (the )?mempool|existing tx with same hash|same hash was already|^known transaction|already received|already submitted/,
    'accepted',
  ],
  [
    /replacement|same nonce|could not replace|tries to replace|ownnoncealreadyused|priority is too low/,
    'replacement',
  ],
  [
    /nonce (is )?too (low|small)|old ?nonce|nonce (has already been|is already) used|pool\(stale\)/,
    'nonce_low',
  ],
  [/nonce (is )?too (high|distant)|nonce ?gap|gapped.nonce|future nonce|lower nonce exists/, 'nonce_high'],
  [
    /insufficient ?(funds|balance)|upfront cost exceeds|(not|doesn't have|does not have) enough (funds|balance)|lack of funds|overshot/,
    'funds',
  ],
  [/exceeds the configured cap|fee cap exceeded|fee too high/, 'fee_limit'],
  [
    /intrinsic gas|(?<!\.)gas ?limit|floor data gas|gas is too low|supplied gas is beyond|out of gas|gas required exceeds|not enough gas for/,
    'gas',
  ],
  [
    /underpriced|insufficient fees?\b|minimum global fee|min(imum|imal)? gas ?price|priority ?fee ?per ?gas (is |too )+(low|below)|(less|lower) than (the )?(block )?base ?fee|below (the )?(current |configured )?(minimum|base fee)|fee ?too ?low|gas price too low|price (supplied )?is too low/,
    'underpriced',
  ],
  [/pool is full|pool overflow|too many (pending )?transactions|in-flight transaction limit/, 'pool_full'],
  [
    /(transaction|tx)[ _]?type|eip-?1559|typed (transaction|tx)|dynamic ?fee|(only|expects?) legacy|legacytx/,
    'type',
  ],
  [
    /invalid sender|chain ?id|not supported|invalid signature|rlp|not replay-protected|not authorized|oversized/,
    'invalid',
  ],
]

/** Sorts what `eth_sendRawTransaction` threw. What is in no list is `unknown`, never refused. */
export function classifySendError(error: unknown): SendOutcome {
  const message = error instanceof Error ? error.message : String(error)
  if (!(error instanceof RpcAnswerError)) return { kind: 'unknown', message }
  return classifyWording(`${message} ${dataText(error.data)}`.trim())
}

/** Sorts what a node said; also what it said earlier, as it was stored. */
export function classifyWording(message: string): SendOutcome {
  const text = message.toLowerCase()
  for (const [wording, meaning] of WORDINGS) {
    if (!wording.test(text)) continue
    return meaning === 'accepted' ? { kind: 'accepted' } : { kind: 'refused', reason: meaning, message }
  }
  return { kind: 'unknown', message }
}

function dataText(data: unknown): string {
  if (typeof data === 'string') return data
  if (typeof data !== 'object' || data === null) return ''
  const { message } = data as { message?: unknown }
  return typeof message === 'string' ? message : ''
}

/**
 * What all endpoints together say: one acceptance is enough, and a refusal counts only if nobody may have accepted.
 * Endpoints that certainly did not get the bytes have no say.
 */
export function combineOutcomes(outcomes: readonly SendOutcome[]): SendOutcome {
  for (const kind of ['accepted', 'unknown', 'refused'] as const) {
    const outcome = outcomes.find((each) => each.kind === kind)
    if (outcome !== undefined) return outcome
  }
  return outcomes[0] ?? { kind: 'unsent', message: 'no endpoint' }
}
