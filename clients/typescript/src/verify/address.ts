import type { Hex } from '../format.ts'
import { keccakOfAscii } from './keccak.ts'

const ADDRESS = /^0x[0-9a-fA-F]{40}$/

/** Addresses are few: a publisher and a registry per installation and chain. */
const checksummed = new Map<string, Hex>()
const MAX_REMEMBERED = 1_024

/** Whether the text is `0x` and 40 hex digits of any case. */
export function isAddress(text: unknown): text is Hex {
  return typeof text === 'string' && ADDRESS.test(text)
}

/** The address with its EIP-55 checksum in the case of its letters. */
export function withChecksum(address: Hex): Hex {
  const lower = address.toLowerCase()
  const known = checksummed.get(lower)
  if (known !== undefined) return known
  const digits = lower.slice(2)
  const hash = keccakOfAscii(digits)
  let text = '0x'
  for (let i = 0; i < digits.length; i++) {
    text += Number.parseInt(hash[i + 2] as string, 16) >= 8 ? digits[i]!.toUpperCase() : digits[i]!
  }
  if (checksummed.size >= MAX_REMEMBERED) checksummed.clear()
  checksummed.set(lower, text as Hex)
  return text as Hex
}
