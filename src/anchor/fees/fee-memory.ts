/** What a leader remembers of a chain's fees. Lost, it is learned again by the next refusal. */
export type FeeMemory = {
  legacyOnly: boolean
  /** What nodes wanted, in wei, each until some time, in ms since the epoch. */
  demands: Partial<Record<'tip' | 'price' | 'cap', { wei: bigint; until: number }>>
  /** The last quote's: what recent blocks took, where it is over the limit; wei. */
  tipOverLimit: bigint | null
}
