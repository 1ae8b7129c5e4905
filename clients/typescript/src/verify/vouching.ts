/** Whose word an auditor takes: registries and publishers, for every chain or for single ones. */
import { HoldfastError } from '../errors.ts'
import { type Hex, PUBLISHED_REGISTRY, type ReceiptAnchor } from '../format.ts'
import { isAddress, withChecksum } from './address.ts'
import { type Check, failed, passed } from './verification.ts'

/**
 * One address or several, for every chain; or a record of them by chain id (`31337` or `eip155:31337`), in which `*`
 * stands for every chain that has no entry.
 */
export type AddressChoice = string | readonly string[] | Readonly<Record<string, string | readonly string[]>>

export type Vouching = {
  /** The checks of an anchor's origin, and whether the chain is worth asking. */
  origin(anchor: ReceiptAnchor): { checks: Check[]; outcome: 'accepted' | 'refused' | 'failed' }
  /** Whether a publisher was named for the chain. */
  namesPublisher(chainId: string): boolean
}

/**
 * Without a named registry only {@link PUBLISHED_REGISTRY} is accepted. Without a named publisher any is.
 * @throws HoldfastError INVALID_REQUEST for what is not an address or a chain id
 */
export function createVouching(named: { registry?: AddressChoice; publisher?: AddressChoice }): Vouching {
  const registries = readChoice('registry', named.registry)
  const publishers = readChoice('publisher', named.publisher)

  return {
    origin(anchor) {
      const registry = checkRegistry(anchor, registries(anchor.chainId))
      const publisher = checkPublisher(anchor, publishers(anchor.chainId))
      const outcome = registry.outcome === 'accepted' ? publisher.outcome : registry.outcome
      return { checks: [registry.check, publisher.check], outcome }
    },
    namesPublisher: (chainId) => publishers(chainId) !== undefined,
  }
}

type Judged = { check: Check; outcome: 'accepted' | 'refused' | 'failed' }

function checkRegistry({ chainId, registry }: ReceiptAnchor, accepted: readonly Hex[] | undefined): Judged {
  if (accepted === undefined) {
    if (registry === PUBLISHED_REGISTRY) {
      const detail = `${registry} is the address that only Holdfast's published contract can have.`
      return { check: passed('registry', detail), outcome: 'accepted' }
    }
    const detail = `The contract ${registry} is not Holdfast's published registry ${PUBLISHED_REGISTRY}. If you rely on it, name it as the registry of ${chainId}.`
    return { check: failed('registry', detail), outcome: 'refused' }
  }
  if (accepted.includes(registry)) {
    return { check: passed('registry', `The contract is the expected ${registry}.`), outcome: 'accepted' }
  }
  const detail = `The contract is ${registry}, not the expected ${accepted.join(' or ')}.`
  return { check: failed('registry', detail), outcome: 'failed' }
}

function checkPublisher({ publisher }: ReceiptAnchor, accepted: readonly Hex[] | undefined): Judged {
  if (accepted === undefined) {
    const detail = `The publisher ${publisher} was taken from the receipt: no publisher was named to compare it with.`
    return { check: passed('publisher', detail), outcome: 'accepted' }
  }
  if (accepted.includes(publisher)) {
    return { check: passed('publisher', `The publisher is the expected ${publisher}.`), outcome: 'accepted' }
  }
  const detail = `The publisher is ${publisher}, not the expected ${accepted.join(' or ')}.`
  return { check: failed('publisher', detail), outcome: 'failed' }
}

/** A function from a CAIP-2 chain id to the addresses named for it. */
function readChoice(
  what: string,
  choice: AddressChoice | undefined,
): (chainId: string) => readonly Hex[] | undefined {
  if (choice === undefined) return () => undefined
  if (typeof choice === 'string' || Array.isArray(choice)) {
    const everywhere = addressesOf(what, choice as string | readonly string[])
    return () => everywhere
  }
  const byChain = new Map<string, readonly Hex[]>()
  for (const [key, addresses] of Object.entries(choice as Record<string, string | readonly string[]>)) {
    byChain.set(chainKeyOf(what, key), addressesOf(what, addresses))
  }
  const everywhere = byChain.get('*')
  return (chainId) => byChain.get(chainId) ?? everywhere
}

function chainKeyOf(what: string, key: string): string {
  if (key === '*') return key
  const digits = /^(?:eip155:)?([1-9]\d{0,15})$/.exec(key)?.[1]
  if (digits !== undefined) return `eip155:${digits}`
  throw new HoldfastError(
    'INVALID_REQUEST',
    `A ${what} is named for a chain id such as eip155:1, got ${JSON.stringify(key)}.`,
  )
}

function addressesOf(what: string, addresses: string | readonly string[]): Hex[] {
  const all = typeof addresses === 'string' ? [addresses] : addresses
  if (all.length === 0) throw new HoldfastError('INVALID_REQUEST', `No ${what} was named: the list is empty.`)
  return all.map((address) => {
    if (!isAddress(address)) {
      const got = JSON.stringify(address)
      throw new HoldfastError(
        'INVALID_REQUEST',
        `A ${what} must be an address: 0x and 40 hex digits, got ${got}.`,
      )
    }
    const right = withChecksum(address)
    const digits = address.slice(2)
    if (address !== right && digits !== digits.toLowerCase() && digits !== digits.toUpperCase()) {
      throw new HoldfastError(
        'INVALID_REQUEST',
        `The ${what} ${address} has a wrong EIP-55 checksum: is a character mistyped? Write it as ${right}, or in lower case.`,
      )
    }
    return right
  })
}
