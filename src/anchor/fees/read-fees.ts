import { type Ask, askFor, bigQuantityOf, fieldsOf, maybeQuantityOf } from 'holdfast-client/rpc-values'

/** What the chain says of its fees, in wei. */
export type FeeFacts = {
  /** Of the next block; null on a chain that has none. */
  baseFee: bigint | null
  /** What recent blocks took beside the base fee, or what the node suggests. Empty when neither is known. */
  tips: readonly bigint[]
  /** Asked only where there is no base fee, or for a legacy transaction; else null. */
  gasPrice: bigint | null
}

/** Asks a question whose answer may be missing. */
export type Optionally = <T>(name: string, ask: () => Promise<T>) => Promise<T | null>

/** Fees are looked up over this many blocks. */
const HISTORY_BLOCKS = 10

/**
 * From `eth_feeHistory`; where that is missing or odd, from the newest block and what the node suggests.
 * @throws what `ask` throws, when the newest block or, on a chain without a base fee, the gas price cannot be had
 */
export async function readFees(ask: Ask, optionally: Optionally, legacy: boolean): Promise<FeeFacts> {
  const params = [`0x${HISTORY_BLOCKS.toString(16)}`, 'latest', [50]]
  const history = await optionally('fee history', () => askFor(ask, 'eth_feeHistory', params, readHistory))
  // Chains from before EIP-1559 answer with zeros; so does a free chain, whose blocks do have the field.
  const told = history?.baseFee ?? 0n
  const baseFee = told > 0n ? told : await nextBaseFee(ask)
  const gasPrice = () => askFor(ask, 'eth_gasPrice', [], bigQuantityOf)
  if (baseFee === null) return { baseFee, tips: [], gasPrice: await gasPrice() }
  if (legacy) return { baseFee, tips: [], gasPrice: await optionally('gas price', gasPrice) }
  const tips = history?.tips ?? []
  if (median(tips) > 0n) return { baseFee, tips, gasPrice: null }
  const tip = await optionally('tip', () => askFor(ask, 'eth_maxPriorityFeePerGas', [], bigQuantityOf))
  if (tip !== null) return { baseFee, tips: [tip], gasPrice: null }
  const price = await optionally('gas price', gasPrice)
  return { baseFee, tips: price !== null && price > baseFee ? [price - baseFee] : [], gasPrice: null }
}

/** At most what the block after the newest one takes; null when blocks have no base fee. */
async function nextBaseFee(ask: Ask): Promise<bigint | null> {
  const baseFee = await askFor(ask, 'eth_getBlockByNumber', ['latest', false], (answer) => {
    const block = fieldsOf(answer)
    if (block === null) throw new TypeError('no block')
    return maybeQuantityOf(block.baseFeePerGas)
  })
  // EIP-1559: a base fee rises by an eighth a block at most.
  return baseFee === null ? null : baseFee + baseFee / 8n
}

/** What can be read of a history; the rest counts as missing. */
function readHistory(answer: unknown): { baseFee: bigint | null; tips: bigint[] } {
  const { baseFeePerGas, reward, gasUsedRatio } = fieldsOf(answer) ?? {}
  const next: unknown = Array.isArray(baseFeePerGas) ? baseFeePerGas.at(-1) : undefined
  const rows: unknown[] = Array.isArray(reward) ? reward : []
  const ratios: unknown[] = Array.isArray(gasUsedRatio) ? gasUsedRatio : []
  const tips = rows
    .filter((_, i) => Number(ratios[i] ?? 1) > 0)
    .map((row) => maybeQuantityOf(Array.isArray(row) ? row[0] : undefined))
    .filter((tip) => tip !== null)
  return { baseFee: maybeQuantityOf(next), tips }
}

export function median(values: readonly bigint[]): bigint {
  const sorted = [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  return sorted[sorted.length >> 1] ?? 0n
}
