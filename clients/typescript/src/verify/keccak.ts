/** Keccak-256 over hex text, for nodes of at most one block. */
import { keccakP } from '@noble/hashes/sha3.js'
import type { Hex } from '../format.ts'

/** Bytes absorbed per permutation. */
const BLOCK_BYTES = 136
const WORDS = 50

const NIBBLES = new Uint8Array(128)
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16)
  NIBBLES[digit.charCodeAt(0)] = value
  NIBBLES[digit.toUpperCase().charCodeAt(0)] = value
}
const DIGITS = Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))
const text: number[] = Array.from(`0x${'0'.repeat(64)}`, (digit) => digit.charCodeAt(0))

const state = new Uint32Array(WORDS)

/**
 * Keccak-256 (Ethereum's padding) of the bytes that the hex digits of `first` and `second` stand for.
 * @param first `0x` and an even number of hex digits; both inputs together hold less than 136 bytes
 */
export function keccakOfHex(first: string, second = '0x'): Hex {
  state.fill(0)
  let at = absorb(first, 0)
  at = absorb(second, at)
  flip(at, 0x01)
  flip(BLOCK_BYTES - 1, 0x80)
  keccakP(state)
  return digest()
}

/** Keccak-256 of ASCII text shorter than 136 characters. */
export function keccakOfAscii(text: string): Hex {
  state.fill(0)
  for (let i = 0; i < text.length; i++) flip(i, text.charCodeAt(i))
  flip(text.length, 0x01)
  flip(BLOCK_BYTES - 1, 0x80)
  keccakP(state)
  return digest()
}

/** Writes the bytes into the state from byte `at` on. @returns the byte behind them */
function absorb(hex: string, at: number): number {
  let byte = at
  for (let i = 2; i < hex.length; i += 2) {
    flip(byte++, ((NIBBLES[hex.charCodeAt(i)] as number) << 4) | (NIBBLES[hex.charCodeAt(i + 1)] as number))
  }
  return byte
}

function flip(byte: number, bits: number): void {
  state[byte >> 2]! ^= bits << ((byte & 3) * 8)
}

/** Flat text at once: joining pieces leaves as many strings behind, and this runs for every node. */
function digest(): Hex {
  for (let i = 0; i < 32; i++) {
    const octet = ((state[i >> 2] as number) >>> ((i & 3) * 8)) & 255
    text[2 + 2 * i] = DIGITS[octet >> 4] as number
    text[3 + 2 * i] = DIGITS[octet & 15] as number
  }
  return String.fromCharCode.apply(null, text) as Hex
}
