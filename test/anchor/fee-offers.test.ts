import fc from 'fast-check'
import { RpcAnswerError } from 'holdfast-client/json-rpc'
import { describe, expect, it } from 'vitest'
import { type Offer, quote1559, quoteFees, raiseOffer } from '../../src/anchor/fees/quote.ts'
import type { FeeLimits } from '../../src/core/chain-config.ts'

const GWEI = 1_000_000_000n
const LIMITS: FeeLimits = { maxFeePerGasGwei: 100, minTipGwei: 1, maxTipGwei: 10, bumpAfterMs: 1 }

describe('a quote', () => {
  it('is tip + 2 x base fee, the tip being the median of recent ones', () => {
    const { offer, overCap } = quote1559(
      { baseFee: 10n * GWEI, tips: [2n * GWEI, 9n * GWEI, 3n * GWEI] },
      LIMITS,
    )
    expect(offer).toEqual({ legacy: false, maxFeePerGas: 23n * GWEI, maxPriorityFeePerGas: 3n * GWEI })
    expect(overCap).toBe(false)
  })

  it('never passes the limits, whatever the chain asks', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 13n), fc.array(fc.bigInt(0n, 10n ** 13n)), (baseFee, tips) => {
        const { offer, overCap } = quote1559({ baseFee, tips }, LIMITS)
        expect(offer.maxFeePerGas).toBeLessThanOrEqual(100n * GWEI)
        expect(offer.maxPriorityFeePerGas).toBeLessThanOrEqual(10n * GWEI)
        expect(offer.maxPriorityFeePerGas).toBeLessThanOrEqual(offer.maxFeePerGas)
        if (!overCap) {
          expect(offer.maxPriorityFeePerGas).toBeGreaterThanOrEqual(GWEI)
          expect(offer.maxFeePerGas).toBeGreaterThanOrEqual(baseFee + GWEI)
        }
      }),
    )
  })

  it('says when what the next block takes is above the cap', () => {
    expect(quote1559({ baseFee: 100n * GWEI, tips: [] }, LIMITS).overCap).toBe(true)
    expect(quote1559({ baseFee: 99n * GWEI, tips: [] }, LIMITS).overCap).toBe(false)
  })

  it('never goes below the floor', () => {
    const { offer } = quote1559({ baseFee: 1n, tips: [] }, { ...LIMITS, floorGwei: 30 })
    expect(offer.maxFeePerGas).toBe(30n * GWEI)
  })

  it('uses the gas price where the chain has no base fee', async () => {
    const legacy = async (method: string) => {
      if (method === 'eth_gasPrice') return '0x77359400'
      if (method === 'eth_getBlockByNumber') return { number: '0x1' }
      throw new RpcAnswerError(-32601, 'the method eth_feeHistory does not exist', undefined)
    }
    expect(await quoteFees(legacy, LIMITS)).toEqual({
      offer: { legacy: true, maxFeePerGas: 2n * GWEI, maxPriorityFeePerGas: 2n * GWEI },
      price: 2n * GWEI,
      overCap: false,
      forbidden: null,
      tipOverLimit: null,
    })
  })

  it('does not take a passing error for a chain without base fees', async () => {
    const limited = async (method: string) => {
      if (method === 'eth_getBlockByNumber') return { number: '0x1', baseFeePerGas: '0x7' }
      throw new RpcAnswerError(-32005, 'limit exceeded', undefined)
    }
    expect((await quoteFees(limited, LIMITS)).offer.legacy).toBe(false)
  })
})

describe('a raise', () => {
  const last = (maxFeePerGas: bigint, maxPriorityFeePerGas: bigint): Offer => ({
    legacy: false,
    maxFeePerGas,
    maxPriorityFeePerGas,
  })

  it('is at least 12.5 % on both caps, within the limits, or none at all', () => {
    const fees = fc
      .tuple(fc.bigInt(1n, 150n * GWEI), fc.bigInt(1n, 15n * GWEI))
      .filter(([cap, tip]) => tip <= cap)
    fc.assert(
      fc.property(fees, fees, ([cap, tip], [nowCap, nowTip]) => {
        const raise = raiseOffer(last(cap, tip), last(nowCap, nowTip), LIMITS)
        if (raise === null) {
          expect(
            cap * 9n > 800n * GWEI || tip * 9n > 80n * GWEI || cap >= 100n * GWEI || tip >= 10n * GWEI,
          ).toBe(true)
          return
        }
        expect(raise.maxFeePerGas * 8n).toBeGreaterThanOrEqual(cap * 9n)
        expect(raise.maxPriorityFeePerGas * 8n).toBeGreaterThanOrEqual(tip * 9n)
        expect(raise.maxFeePerGas).toBeLessThanOrEqual(100n * GWEI)
        expect(raise.maxPriorityFeePerGas).toBeLessThanOrEqual(raise.maxFeePerGas)
      }),
    )
  })

  it('goes at once to what the chain asks when that is more', () => {
    expect(raiseOffer(last(10n * GWEI, GWEI), last(50n * GWEI, 3n * GWEI), LIMITS)).toEqual(
      last(50n * GWEI, 3n * GWEI),
    )
  })

  it('raises the one price of a legacy transaction', () => {
    const old: Offer = { legacy: true, maxFeePerGas: 8n * GWEI, maxPriorityFeePerGas: 8n * GWEI }
    expect(raiseOffer(old, old, LIMITS)).toEqual({
      legacy: true,
      maxFeePerGas: 9n * GWEI,
      maxPriorityFeePerGas: 9n * GWEI,
    })
  })
})
