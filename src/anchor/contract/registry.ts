import { getAddress, Interface } from 'ethers'
import type { Log } from 'holdfast-client/chain-reads'
import type { ChainConfig } from '../../core/chain-config.ts'
import { type Hex, toHex } from '../../core/hash.ts'
import { REGISTRY_ABI, REGISTRY_ADDRESS } from './registry.generated.ts'

const registry = new Interface(REGISTRY_ABI)
const ANCHORED_TOPIC = registry.getEvent('Anchored')!.topicHash

/** The registry that a chain's anchors go to, EIP-55. */
export function registryOf(chain: Pick<ChainConfig, 'registry'>): string {
  return chain.registry === undefined ? REGISTRY_ADDRESS : getAddress(chain.registry)
}

/** Calldata that puts the root on the chain. */
export function anchorCall(mode: ChainConfig['mode'], root: Uint8Array): Hex {
  return registry.encodeFunctionData(mode === 'storage' ? 'anchor' : 'announce', [root]) as Hex
}

/** Whether the logs hold this registry's `Anchored(publisher, root)`. */
export function hasAnchored(
  logs: readonly Log[],
  expected: { registry: string; publisher: string; root: Uint8Array },
): boolean {
  const publisherTopic = `0x${expected.publisher.slice(2).toLowerCase().padStart(64, '0')}`
  return logs.some(
    (log) =>
      log.address === expected.registry.toLowerCase() &&
      log.topics.length === 3 &&
      log.topics[0] === ANCHORED_TOPIC &&
      log.topics[1] === publisherTopic &&
      log.topics[2] === toHex(expected.root),
  )
}

const BASE_GAS = 21_000
/** What the call does beyond its calldata, with room for tables that change; measured 24,300 and 2,000. */
const EXECUTION_GAS = { storage: 40_000, event: 10_000 }

/**
 * Gas limit for a transaction with this calldata: base + the dearer of (calldata + execution) and the EIP-7623 floor.
 * Computed, because `eth_estimateGas` reports a revert when only the funds are low.
 */
export function gasLimitOf(data: Hex, execution: number): number {
  let zeros = 0
  const bytes = Buffer.from(data.slice(2), 'hex')
  for (const byte of bytes) if (byte === 0) zeros += 1
  const tokens = zeros + (bytes.length - zeros) * 4
  return BASE_GAS + Math.max(tokens * 4 + execution, tokens * 10)
}

export function anchorGasLimit(mode: ChainConfig['mode'], data: Hex): number {
  return gasLimitOf(data, EXECUTION_GAS[mode])
}
