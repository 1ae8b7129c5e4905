import { RpcAnswerError } from './json-rpc.ts'

/**
 * Why a node does not want the bytes:
 * `nonce_low` the nonce is spent (perhaps on these very bytes), `nonce_high` there is a gap below it,
 * `replacement` the raise over the pooled transaction is too small, `underpriced` the offer is below what the node or
 * the block takes now, `fee_limit` it is above the node's own limit, `funds`, `gas` the limit is too low or too high,
 * `pool_full`, `invalid` anything that the same bytes will never get past.
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
  | 'invalid'

/** `unknown`: it may have been accepted, or not; only a receipt will tell. */
export type SendOutcome =
  | { kind: 'accepted' }
  | { kind: 'refused'; reason: RefusalReason; message: string }
  | { kind: 'unknown'; message: string }

/** The first that matches decides. Wordings by node and gateway: test/vectors/rpc-wordings.json. */
const WORDINGS: readonly [RegExp, 'accepted' | RefusalReason][] = [
  [
    /already known|already imported|already in (the )?(mem)?pool|already exists in (the )?mempool|already_exists|alreadyknown|same hash was already|^known transaction|already received|already submitted/,
    'accepted',
  ],
  [/replacement|another transaction with same nonce|could not replace|replacing transaction/, 'replacement'],
  [
    /nonce (is )?too low|nonce too small|oldnonce|old nonce|nonce has already been used|nonce is already used|nonce below|invalid nonce: .*lower/,
    'nonce_low',
  ],
  [/nonce (is )?too high|too distant|noncegap|nonce gap|future nonce|gapped nonce/, 'nonce_high'],
  [
    /insufficient (funds|balance)|insufficientfunds|upfront cost exceeds|enough funds|doesn't have enough|not enough balance|lack of funds|overshot/,
    'funds',
  ],
  [
    /exceeds the configured cap|fee cap exceeded|exceeds (the )?(configured )?(tx|transaction) fee cap|max priority fee per gas higher than max fee/,
    'fee_limit',
  ],
  [/intrinsic gas|gas limit|floor data gas|out of gas|gas floor|gaslimit/, 'gas'],
  [
    /underpriced|less than block base fee|below the (current )?base fee|lower than base fee|below (configured )?minimum|feetoolow|fee too low|gas price too low|lower than the minimum|below min|price is too low|under min/,
    'underpriced',
  ],
  [
    /pool is full|mempool is full|pool overflow|too many (pending )?transactions|exceeds? (the )?pool/,
    'pool_full',
  ],
  [
    /invalid sender|invalid chain|wrong chain|chain ?id|not supported|invalid signature|rlp|not replay-protected|malformed|decod|invalid transaction type|oversized/,
    'invalid',
  ],
]

/** Sorts what `eth_sendRawTransaction` threw. What is in no list is `unknown`, never refused. */
export function classifySendError(error: unknown): SendOutcome {
  const message = error instanceof Error ? error.message : String(error)
  if (!(error instanceof RpcAnswerError)) return { kind: 'unknown', message }
  const text = `${message} ${dataText(error.data)}`.trim().toLowerCase()
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

/** What all endpoints together say: one acceptance is enough, and a refusal counts only if nobody may have accepted. */
export function combineOutcomes(outcomes: readonly SendOutcome[]): SendOutcome {
  return (
    outcomes.find((outcome) => outcome.kind === 'accepted') ??
    outcomes.find((outcome) => outcome.kind === 'unknown') ??
    outcomes[0] ?? { kind: 'unknown', message: 'no endpoint' }
  )
}
