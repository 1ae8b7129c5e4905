import { describe, expect, it } from 'vitest'
import { demandOf, gasRefusal } from '../../src/anchor/fees/refusal.ts'

const GWEI = 1_000_000_000n
const GAS = 60_000

describe('what a refusal names', () => {
  it.each<[string, string, { tip?: bigint; price?: bigint; cap?: bigint }]>([
    [
      'geth, Polygon',
      'transaction underpriced: gas tip cap 5000000000, minimum needed 25000000000',
      { tip: 25n * GWEI },
    ],
    [
      'geth 1.16',
      'transaction gas price below minimum: gas tip cap 1, minimum needed 1000000',
      { tip: 1_000_000n },
    ],
    ['BNB', 'transaction underpriced: tip needed 3000000000, tip permitted 1000000000', { tip: 3n * GWEI }],
    [
      'Nethermind, Gnosis',
      'FeeTooLow, EffectivePriorityFeePerGas too low 719999980 < 1000000000, BaseFee: 20',
      { tip: GWEI },
    ],
    ['Nethermind, no base fee', 'FeeTooLow: EffectivePriorityFeePerGas too low 0 < 1', { tip: 1n }],
    ['Besu', 'EffectivePriorityFeePerGas too low: 1000 wei, 2000000000 wei needed', { tip: 2n * GWEI }],
    ['Besu, in words', 'Max priority fee per gas is below the minimum of 2 gwei', { tip: 2n * GWEI }],
    [
      'Avalanche',
      'transaction underpriced: address 0x618FEdD9C4e1B4aA7b5aE9d1d6a6D2f5D9f5DfaC have gas fee cap (15000000) < pool minimum fee cap (25000000000)',
      { cap: 25n * GWEI },
    ],
    [
      'OpenEthereum',
      "Transaction gas price is too low. It does not satisfy your node's minimal gas price (minimal: 1000000000, got: 1). Try increasing the gas price.",
      { price: GWEI },
    ],
    [
      'Hedera',
      "[Request ID: e4d09e44] Gas price '830000000000' is below configured minimum gas price '950000000000'",
      { price: 950n * GWEI },
    ],
    [
      'Nethermind, full pool',
      'FeeTooLow, FeePerGas needs to be higher than 100 to be added to the TxPool. Affordable FeePerGas of rejected tx: 50.',
      { price: 100n },
    ],
    [
      'Optimism, before Bedrock',
      'fee too low: 1, use at least tx.gasLimit = 21000 and tx.gasPrice = 15000000',
      { price: 15_000_000n },
    ],
    [
      'Metis',
      'gas price too low: 1000 wei, use at least tx.gasPrice = 15000000000 wei',
      { price: 15n * GWEI },
    ],
    ['a gateway', 'min gas price is 30 gwei', { price: 30n * GWEI }],
    [
      'Cosmos',
      'provided fee < minimum global fee (1000 < 600000). Please increase the priority tip (for EIP-1559 txs)',
      { price: 10n },
    ],
    [
      'Cosmos, older',
      'insufficient fees; got: 1aevmos required: 120000aevmos: insufficient fee',
      { price: 2n },
    ],
    [
      'geth, base fee',
      'max fee per gas less than block base fee: address 0x71562b71999873DB5b286dF957af199Ec94617F7, maxFeePerGas: 1, baseFee: 875000000',
      { cap: 875_000_000n },
    ],
    ['Nethermind, base fee', 'FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 1, BaseFee: 7', { cap: 7n }],
    ['geth, no number', 'transaction underpriced', {}],
    ['Besu, no number', 'Gas price below configured minimum gas price', {}],
    [
      'low funds',
      'Insufficient funds. The account you tried to send transaction from does not have enough funds. Required 200500000000000000 and got: 0.',
      {},
    ],
    [
      'a raise that is too small',
      'replacement transaction underpriced: new tx gas fee cap 1 <= 2000000000 queued + 10% replacement penalty',
      {},
    ],
    ['something else', 'nonce too low: next nonce 82, tx nonce 81', {}],
  ])('is read: %s', (_node, message, expected) => {
    const { tip, price, cap } = demandOf(message, GAS)
    expect({ tip, price, cap }).toEqual({ tip: null, price: null, cap: null, ...expected })
  })

  it('is momentary when it is a base fee, and a rule of the node otherwise', () => {
    expect(
      demandOf('max fee per gas less than block base fee: maxFeePerGas: 1 baseFee: 100', GAS).momentary,
    ).toBe(true)
    expect(demandOf('FeeTooLow, EffectivePriorityFeePerGas too low 0 < 1, BaseFee: 7', GAS).momentary).toBe(
      false,
    )
  })

  it.each([
    'transaction type not supported',
    'transaction type not supported: type 2 rejected, pool not yet in London',
    'transaction type not supported: tx type 2 not supported by this pool',
    'Unsupported transaction type',
    'invalid transaction type',
    'Transaction type EIP1559 is invalid, accepted transaction types are [FRONTIER]',
    'EIP-1559 transactions are not supported',
    'dynamic fee tx is not supported',
    'only legacy transactions are allowed',
    'rlp: expected input list for types.LegacyTx',
    'Invalid RLP data',
  ])('may be another type: %s', (message) => {
    expect(demandOf(message, GAS)).toMatchObject({ legacyOnly: true, tip: null, price: null })
  })

  it.each([
    'transaction underpriced',
    'invalid sender',
    'nonce too low',
    'insufficient funds for gas * price + value',
  ])('is no other type: %s', (message) => {
    expect(demandOf(message, GAS).legacyOnly).toBe(false)
  })

  it.each([
    ['intrinsic gas too low', 'low'],
    ['intrinsic gas too low: gas 20000, minimum needed 21000', 'low'],
    ['insufficient gas for floor data gas cost: gas 21000, minimum needed 21640', 'low'],
    ['Intrinsic gas exceeds gas limit', 'low'],
    [
      'Transaction gas is too low. There is not enough gas to cover minimal cost of the transaction (minimal: 21000, got: 1).',
      'low',
    ],
    ['out of gas: gas required exceeds: 100000', 'low'],
    ['Not enough gas for transaction validation', 'low'],
    ['exceeds block gas limit', 'high'],
    ['Transaction gas limit exceeds block gas limit', 'high'],
    ['GasLimitExceeded, Gas limit: 30000000, gas limit of rejected tx: 40000000', 'high'],
    ['transaction gas limit too high (cap: 16777216, tx: 20000000)', 'high'],
    ['fee too low: 1, use at least tx.gasLimit = 21000 and tx.gasPrice = 15000000', null],
    ['transaction underpriced', null],
  ] as const)('may be gas: %s', (message, expected) => {
    expect(gasRefusal(message)).toBe(expected)
  })
})
