import { getAddress, Interface } from 'ethers'
import type { Log } from 'holdfast-client/chain-reads'
import { type Ask, askFor, bytes32Of } from 'holdfast-client/rpc-values'
import type { ChainConfig } from '../../core/chain-config.ts'
import { type Hex, toHex } from '../../core/hash.ts'
import { REGISTRY_ABI, REGISTRY_ADDRESS } from './registry.generated.ts'

const registry = new Interface(REGISTRY_ABI)
const ANCHORED_TOPIC = registry.getEvent('Anchored')!.topicHash

/** The registry that a chain's anchors go to, EIP-55. */
export function registryOf(chain: Pick<ChainConfig, 'registry'>): string {
  return chain.registry === undefined ? REGISTRY_ADDRESS : getAddress(chain.registry)
}

/** What to do where no contract is at the chain's registry address: deploying helps only the address it goes to. */
export function missingRegistryAdvice({ registry: configured }: Pick<ChainConfig, 'registry'>): string {
  if (configured === undefined || getAddress(configured) === REGISTRY_ADDRESS) return 'Run `holdfast deploy`.'
  return `Correct the chain's \`registry\`, or leave it out and run \`holdfast deploy\`, which uses ${REGISTRY_ADDRESS}.`
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
  const publisherTopic = publisherTopicOf(expected.publisher)
  return logs.some(
    (log) =>
      log.address === expected.registry.toLowerCase() &&
      log.topics.length === 3 &&
      log.topics[0] === ANCHORED_TOPIC &&
      log.topics[1] === publisherTopic &&
      log.topics[2] === toHex(expected.root),
  )
}

/** Roots of the registry's `Anchored` events by this publisher, from a block to the head, each as often as it stands there. */
export function anchoredRoots(
  ask: Ask,
  { registry: address, publisher, fromBlock }: { registry: string; publisher: string; fromBlock: number },
): Promise<Buffer[]> {
  const topics = [ANCHORED_TOPIC, publisherTopicOf(publisher)]
  const filter = { address, topics, fromBlock: `0x${fromBlock.toString(16)}`, toBlock: 'latest' }
  return askFor(ask, 'eth_getLogs', [filter], (answer) =>
    (answer as { topics: Hex[] }[]).map(({ topics: [, , root] }) =>
      Buffer.from(bytes32Of(root).slice(2), 'hex'),
    ),
  )
}

function publisherTopicOf(publisher: string): string {
  return `0x${publisher.slice(2).toLowerCase().padStart(64, '0')}`
}
