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
