import { isObject } from './environment.ts'

/** What suits a well-known chain, in the form of a `chains[]` entry. docs/chains.md lists them; a test holds the two together. */
export type Preset = {
  name: string
  pollIntervalMs?: number
  maxGas?: number
  fees: { maxFeePerGasGwei: number; minTipGwei: number; maxTipGwei: number }
}

const ETHEREUM = { maxFeePerGasGwei: 200, minTipGwei: 0.01, maxTipGwei: 5 }
const ETHEREUM_TEST = { maxFeePerGasGwei: 500, minTipGwei: 0.01, maxTipGwei: 20 }
/** Nodes refuse tips under 25 gwei. Source: PIP-35. */
const POLYGON = { maxFeePerGasGwei: 2000, minTipGwei: 25, maxTipGwei: 500 }
const OP_STACK = { maxFeePerGasGwei: 10, minTipGwei: 0.001, maxTipGwei: 1 }
/** Sequencers that take transactions in the order of arrival ignore the tip. */
const NO_TIPS = { maxFeePerGasGwei: 10, minTipGwei: 0, maxTipGwei: 0.5 }
/** Nodes refuse tips under 1 gwei. */
const GNOSIS = { maxFeePerGasGwei: 200, minTipGwei: 1, maxTipGwei: 20 }
/** The base fee is 0. Nodes refuse tips under 0.05 to 1 gwei, and name the least. */
const BNB = { maxFeePerGasGwei: 20, minTipGwei: 0.05, maxTipGwei: 10 }
const LINEA = { maxFeePerGasGwei: 20, minTipGwei: 0.01, maxTipGwei: 5 }
const AVALANCHE = { maxFeePerGasGwei: 500, minTipGwei: 0, maxTipGwei: 10 }
const FILECOIN = { maxFeePerGasGwei: 100, minTipGwei: 0.0001, maxTipGwei: 5 }

export const PRESETS: ReadonlyMap<number, Preset> = new Map([
  [1, { name: 'Ethereum', fees: ETHEREUM }],
  [11155111, { name: 'Sepolia', fees: ETHEREUM_TEST }],
  [17000, { name: 'Holesky', fees: ETHEREUM_TEST }],
  [560048, { name: 'Hoodi', fees: ETHEREUM_TEST }],
  [137, { name: 'Polygon', pollIntervalMs: 4_000, fees: POLYGON }],
  [80002, { name: 'Polygon Amoy', pollIntervalMs: 4_000, fees: POLYGON }],
  [8453, { name: 'Base', pollIntervalMs: 4_000, fees: OP_STACK }],
  [84532, { name: 'Base Sepolia', pollIntervalMs: 4_000, fees: OP_STACK }],
  [10, { name: 'OP Mainnet', pollIntervalMs: 4_000, fees: OP_STACK }],
  [11155420, { name: 'OP Sepolia', pollIntervalMs: 4_000, fees: OP_STACK }],
  [42161, { name: 'Arbitrum One', pollIntervalMs: 3_000, fees: NO_TIPS }],
  [421614, { name: 'Arbitrum Sepolia', pollIntervalMs: 3_000, fees: NO_TIPS }],
  [100, { name: 'Gnosis', pollIntervalMs: 5_000, fees: GNOSIS }],
  [10200, { name: 'Gnosis Chiado', pollIntervalMs: 5_000, fees: GNOSIS }],
  [56, { name: 'BNB Smart Chain', pollIntervalMs: 3_000, fees: BNB }],
  [97, { name: 'BNB testnet', pollIntervalMs: 3_000, fees: BNB }],
  [59144, { name: 'Linea', pollIntervalMs: 4_000, fees: LINEA }],
  [59141, { name: 'Linea Sepolia', pollIntervalMs: 4_000, fees: LINEA }],
  [43114, { name: 'Avalanche C-Chain', pollIntervalMs: 3_000, fees: AVALANCHE }],
  [43113, { name: 'Avalanche Fuji', pollIntervalMs: 3_000, fees: AVALANCHE }],
  [324, { name: 'zkSync Era', pollIntervalMs: 3_000, maxGas: 30_000_000, fees: NO_TIPS }],
  [300, { name: 'zkSync Sepolia', pollIntervalMs: 3_000, maxGas: 30_000_000, fees: NO_TIPS }],
  [314, { name: 'Filecoin', pollIntervalMs: 30_000, maxGas: 150_000_000, fees: FILECOIN }],
  [314159, { name: 'Filecoin Calibration', pollIntervalMs: 30_000, maxGas: 150_000_000, fees: FILECOIN }],
])

/**
 * The configuration with the preset of each well-known chain under its entry. What is configured always wins: limits of a
 * preset that contradict a configured one give way.
 */
export function withPresets(configuration: unknown): unknown {
  if (!isObject(configuration) || !Array.isArray(configuration.chains)) return configuration
  return { ...configuration, chains: configuration.chains.map(withPreset) }
}

function withPreset(chain: unknown): unknown {
  const preset = isObject(chain) ? PRESETS.get(Number(chain.chainId)) : undefined
  if (preset === undefined || !isObject(chain) || !isFees(chain.fees)) return chain
  const { name: _, fees, ...rest } = preset
  return { ...rest, ...chain, fees: { ...fitted(fees, chain.fees ?? {}), ...chain.fees } }
}

function isFees(value: unknown): value is Record<string, unknown> | undefined {
  return value === undefined || isObject(value)
}

/** The preset's limits, moved as far as the configured ones ask for: least ≤ most ≤ cap. */
function fitted(preset: Preset['fees'], configured: Record<string, unknown>): Preset['fees'] {
  const own = (name: string) =>
    typeof configured[name] === 'number' ? (configured[name] as number) : undefined
  const least = Math.max(own('minTipGwei') ?? 0, own('floorGwei') ?? 0)
  const maxFeePerGasGwei = Math.max(preset.maxFeePerGasGwei, least)
  const cap = own('maxFeePerGasGwei') ?? maxFeePerGasGwei
  const maxTipGwei = Math.max(Math.min(preset.maxTipGwei, cap), own('minTipGwei') ?? 0)
  const most = own('maxTipGwei') ?? maxTipGwei
  return { maxFeePerGasGwei, maxTipGwei, minTipGwei: Math.min(preset.minTipGwei, most, cap) }
}
