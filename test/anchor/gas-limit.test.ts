import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { estimateOfError } from '../../src/anchor/fees/estimate-gas.ts'
import {
  chooseGasLimit,
  FALLBACK_GAS,
  type GasEstimate,
  leastGas,
  ranOutOfGas,
} from '../../src/anchor/fees/gas-limit.ts'

const LEAST = 22_000
const MAX = 10_000_000
const gas = (amount: number): GasEstimate => ({ kind: 'gas', gas: amount })
const unknown: GasEstimate = { kind: 'unknown', why: 'no such method' }
const reverts: GasEstimate = { kind: 'reverts', why: 'execution reverted' }
const limit = (gasLimit: number) => ({ kind: 'limit', gasLimit })

describe('a gas limit', () => {
  it.each([
    ['an estimate gets a margin', { estimate: gas(100_000) }, limit(125_000)],
    ['never over maxGas', { estimate: gas(9_000_000) }, limit(MAX)],
    ['over maxGas is said', { estimate: gas(11_000_000) }, { kind: 'over', needed: 11_000_000, most: MAX }],
    ['never under the least', { estimate: gas(10_000) }, limit(LEAST)],
    ['a fallback where nothing is known', { estimate: unknown }, limit(LEAST + FALLBACK_GAS)],
    ['the same when the call is said to revert', { estimate: reverts }, limit(LEAST + FALLBACK_GAS)],
    ['twice what the last one used, rather', { estimate: unknown, known: 46_000 }, limit(92_000)],
    ['twice what ran out', { estimate: gas(100_000), ranOutAt: 125_000 }, limit(250_000)],
    ['a new estimate, when that is more', { estimate: gas(400_000), ranOutAt: 125_000 }, limit(500_000)],
    ['all that is allowed, where nobody tells', { estimate: unknown, ranOutAt: 522_000 }, limit(MAX)],
    ['twice, where it is said to revert', { estimate: reverts, ranOutAt: 522_000 }, limit(1_044_000)],
    [
      'none, when all that is allowed ran out',
      { estimate: unknown, ranOutAt: MAX },
      { kind: 'over', needed: MAX + 1, most: MAX },
    ],
    [
      'none, when all that is allowed was too low',
      { estimate: gas(100_000), tooLowAt: MAX },
      { kind: 'over', needed: MAX + 1, most: MAX },
    ],
    [
      'all that is allowed, when the chain still says it is enough',
      { estimate: gas(100_000), ranOutAt: MAX },
      limit(MAX),
    ],
    ['less than what was too much', { estimate: gas(100_000), tooHighAt: 120_000 }, limit(110_000)],
    [
      'between what was too little and too much',
      { estimate: unknown, ranOutAt: 100_000, tooHighAt: 200_001 },
      limit(150_001),
    ],
    [
      'none, when nothing is between',
      { estimate: unknown, ranOutAt: 100_000, tooHighAt: 100_001 },
      { kind: 'over', needed: 100_001, most: 100_000 },
    ],
  ])('%s', (_rule, facts, expected) => {
    expect(chooseGasLimit({ least: LEAST, maxGas: MAX, ...facts })).toEqual(expected)
  })

  it('keeps between the least, what failed, and the limits, whatever the chain says', () => {
    const amount = fc.integer({ min: 0, max: 20_000_000 })
    const maybe = fc.option(fc.integer({ min: 1, max: 20_000_000 }), { nil: null })
    const estimate = fc.oneof(amount.map(gas), fc.constant(unknown), fc.constant(reverts))
    fc.assert(
      fc.property(estimate, maybe, maybe, maybe, maybe, (each, known, ranOutAt, tooLowAt, tooHighAt) => {
        const choice = chooseGasLimit({
          least: LEAST,
          estimate: each,
          known,
          ranOutAt,
          tooLowAt,
          tooHighAt,
          maxGas: MAX,
        })
        if (choice.kind === 'over') {
          expect(choice.needed).toBeGreaterThan(choice.most)
          return
        }
        expect(choice.gasLimit).toBeLessThanOrEqual(MAX)
        expect(choice.gasLimit).toBeGreaterThanOrEqual(LEAST)
        expect(choice.gasLimit).toBeGreaterThan(tooLowAt ?? 0)
        if (tooHighAt !== null) expect(choice.gasLimit).toBeLessThan(tooHighAt)
      }),
    )
  })

  it('is reckoned with the floor for calldata', () => {
    expect(leastGas('0x')).toBe(21_000)
    // EIP-7623: 10 a token, 4 tokens a byte that is not zero.
    expect(leastGas(`0x${'ff'.repeat(100)}`)).toBe(21_000 + 100 * 40)
    expect(leastGas(`0x${'00'.repeat(100)}`)).toBe(21_000 + 100 * 10)
  })
})

describe('a failed transaction', () => {
  it.each([
    [{ gasUsed: 64_000, gasLimit: 64_000 }, true],
    [{ gasUsed: 63_000, gasLimit: 64_000 }, true],
    [{ gasUsed: 30_000, gasLimit: 64_000 }, false],
    [{ gasUsed: null, gasLimit: 64_000 }, true],
  ])('%j ran out of gas: %s', (attempt, expected) => {
    expect(ranOutOfGas(attempt)).toBe(expected)
  })
})

describe('an error in the place of an estimate', () => {
  it.each([
    [3, 'execution reverted', 'reverts'],
    [-32000, 'execution reverted: not allowed', 'reverts'],
    [-32000, 'invalid opcode: INVALID', 'reverts'],
    [-32015, 'VM execution error.', 'reverts'],
    [-32603, 'EVM error InvalidFEOpcode', 'reverts'],
    [-32003, 'EVM error LackOfFundForMaxFee { fee: 1, balance: 0 }', 'unknown'],
    [-32603, 'EVM error OutOfGas', 'unknown'],
    [-32000, 'insufficient funds for gas * price + value: address 0x1 have 0 want 1', 'unknown'],
    [-32000, 'gas required exceeds allowance (0)', 'unknown'],
    [-32000, 'out of gas', 'unknown'],
    [3, 'execution reverted: insufficient balance for transfer', 'unknown'],
    [-32601, 'the method eth_estimateGas does not exist', 'unknown'],
    [-32602, 'too many arguments, want at most 2', 'unknown'],
    [-32005, 'limit exceeded', 'unknown'],
  ])('%s %s says that it %s', (code, message, kind) => {
    expect(estimateOfError({ code, message })).toEqual({ kind, why: message })
  })
})
