import { describe, expect, it } from 'vitest'
import { configSchema } from '../../src/config/schema.ts'

/** The faults of a configuration whose one chain has these fees: where, and what would be right. */
function faultsOf(fees: object): string[] {
  const result = configSchema.safeParse({
    database: { url: 'postgres://localhost/holdfast' },
    chains: [
      { chainId: 1, rpcUrls: ['http://localhost:8545'], signer: { type: 'privateKey', env: 'K' }, fees },
    ],
  })
  return result.error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? []
}

describe('limits of fees', () => {
  it('may meet', () => {
    expect(
      faultsOf({ minTipGwei: 5, maxTipGwei: 5, floorGwei: 7, maxFeePerGasGwei: 7, bumpAfterBlocks: 3 }),
    ).toEqual([])
  })

  it('that leave no room between them are faults, which say where and what would be right', () => {
    expect(faultsOf({ minTipGwei: 6 })).toEqual([
      'chains.0.fees.minTipGwei: expected at most maxTipGwei, which is 5, got 6',
    ])
    expect(faultsOf({ maxFeePerGasGwei: 1, minTipGwei: 2, floorGwei: 3 })).toEqual([
      'chains.0.fees.minTipGwei: expected at most maxFeePerGasGwei, which is 1, got 2',
      'chains.0.fees.floorGwei: expected at most maxFeePerGasGwei, which is 1, got 3',
    ])
  })
})
