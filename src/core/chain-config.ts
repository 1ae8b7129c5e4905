/** One chain that Holdfast anchors on. Amounts of gas price are decimal gwei, amounts of money decimal ether. */
export type ChainConfig = {
  chainId: number
  /** HTTP(S) JSON-RPC endpoints, the preferred first. User and password in the URL become a Basic header. */
  rpcUrls: readonly string[]
  /** The registry's address; by default where CREATE2 puts it on every chain. */
  registry?: string | undefined
  /** `storage` calls anchor(), `event` calls announce(): no storage, about half the gas. */
  mode: 'storage' | 'event'
  /** Whether batches sealed before the chain was first configured are anchored on it too. Default `all`. */
  startFrom?: 'now' | 'all' | undefined
  /** When to anchor, in node-cron's syntax, UTC. */
  cron: string
  /** How long after its tick a record may wait to be mined before it counts as late. */
  anchorWithinMs: number
  /** Between two looks at receipts while something is not final. */
  pollIntervalMs: number
  /** Blocks on top that count as final, for chains without a `finalized` tag. When given, the tag is not used. */
  confirmations?: number | undefined
  fees: FeeLimits
  /** Most gas that a transaction may be given. */
  maxGas: number
  /** A transaction not yet mined is sent again, byte for byte, after this long. */
  resendAfterMs: number
  /** Most that may be spent on fees in any 24 hours, in ether. */
  dailySpendLimitEth?: string | undefined
  /** What to do at the daily limit: `wait` until it allows more, or go on and raise the `alarm`. Default `wait`. */
  spendPolicy?: 'wait' | 'alarm' | undefined
}

export type FeeLimits = {
  /** Which transactions to send; `auto` finds out what the chain takes. Default `auto`. */
  type?: 'auto' | 'eip1559' | 'legacy' | undefined
  /** Never offer more than this for a gas unit, tip included. */
  maxFeePerGasGwei: number
  minTipGwei: number
  maxTipGwei: number
  /** Never offer less than this, for chains that refuse low offers although their base fee is lower. */
  floorGwei?: number | undefined
  /** Raise the offer when a transaction is not mined this long after the last offer. */
  bumpAfterMs: number
  /** Raise it after this many blocks too, when they come first; counted from when the daemon first looked at it. */
  bumpAfterBlocks?: number | undefined
}
