import fc from 'fast-check'
import { RpcAnswerError } from 'holdfast-client/json-rpc'
import { describe, expect, it } from 'vitest'
import { type Offer, offerAnew, quote1559, quoteFees, raiseOffer } from '../../src/anchor/fees/quote.ts'
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

describe('a quote that heeds what nodes demanded', () => {
  const history = { baseFee: 10n * GWEI, tips: [2n * GWEI] }
  const none = { tip: 0n, price: 0n, cap: 0n }

  it.each([
    ['a tip', { tip: 5n * GWEI }, { tip: 5n, cap: 25n, forbidden: null }],
    ['a lower tip than recent ones', { tip: GWEI }, { tip: 2n, cap: 22n, forbidden: null }],
    ['a tip over the limit', { tip: 30n * GWEI }, { tip: 10n, cap: 30n, forbidden: 'maxTipGwei' }],
    ['a fee cap', { cap: 40n * GWEI }, { tip: 2n, cap: 40n, forbidden: null }],
    ['a fee cap over the limit', { cap: 400n * GWEI }, { tip: 2n, cap: 100n, forbidden: 'maxFeePerGasGwei' }],
    ['a price that is paid in effect', { price: 16n * GWEI }, { tip: 6n, cap: 26n, forbidden: null }],
    ['a price below the base fee', { price: 4n * GWEI }, { tip: 2n, cap: 22n, forbidden: null }],
  ])('%s', (_what, demands, { tip, cap, forbidden }) => {
    const quote = quote1559(history, LIMITS, { ...none, ...demands })
    expect(quote.offer).toEqual({
      legacy: false,
      maxPriorityFeePerGas: tip * GWEI,
      maxFeePerGas: cap * GWEI,
    })
    expect(quote.forbidden?.limit ?? null).toBe(forbidden)
  })

  it('tells the tip of recent blocks where it is over the limit', () => {
    expect(quote1559({ ...history, tips: [30n * GWEI] }, LIMITS).tipOverLimit).toBe(30n * GWEI)
    expect(quote1559({ ...history, tips: [10n * GWEI] }, LIMITS).tipOverLimit).toBeNull()
  })

  it.each([
    ['the gas price of the node', { type: 'legacy' as const }, none, 14n],
    ['a tip on top of the base fee', { type: 'legacy' as const }, { ...none, tip: 8n * GWEI }, 18n],
    ['a price', {}, { ...none, price: 20n * GWEI }, 20n],
  ])('is a legacy one where the chain takes no other: %s', async (_what, limits, demands, price) => {
    const ask = async (method: string) => {
      if (method === 'eth_gasPrice') return `0x${(14n * GWEI).toString(16)}`
      if (method === 'eth_getBlockByNumber') return { number: '0x1', baseFeePerGas: '0x218711a00' }
      return { baseFeePerGas: ['0x2540be400'], reward: [['0x1']], gasUsedRatio: [1] }
    }
    const { offer } = await quoteFees(ask, { ...LIMITS, ...limits }, { legacyOnly: true, demands })
    expect(offer).toEqual({ legacy: true, maxFeePerGas: price * GWEI, maxPriorityFeePerGas: price * GWEI })
  })
})

describe('an offer in the place of one that no node took', () => {
  const offer = (cap: bigint, tip: bigint, legacy = false): Offer => ({
    legacy,
    maxFeePerGas: cap * GWEI,
    maxPriorityFeePerGas: tip * GWEI,
  })

  it.each([
    ['what the chain asks now, when that is more', offer(10n, 1n), offer(30n, 5n), false, offer(30n, 5n)],
    ['the same, when the chain asks less', offer(10n, 2n), offer(5n, 1n), false, offer(10n, 2n)],
    ['twice as much, when nothing was named', offer(10n, 2n), offer(5n, 1n), true, offer(20n, 4n)],
    ['no more than the limits', offer(80n, 8n), offer(5n, 1n), true, offer(100n, 10n)],
    ['the same at the limits', offer(100n, 10n), offer(5n, 1n), true, offer(100n, 10n)],
    ['a legacy one, whatever it pays', offer(30n, 2n), offer(12n, 12n, true), false, offer(12n, 12n, true)],
    ['twice a legacy price', offer(8n, 8n, true), offer(5n, 5n, true), true, offer(16n, 16n, true)],
  ])('is %s', (_what, last, now, doubles, expected) => {
    expect(offerAnew(last, now, LIMITS, doubles)).toEqual(expected)
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
