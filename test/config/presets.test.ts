import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/load.ts'
import { PRESETS } from '../../src/config/presets.ts'
import type { Config } from '../../src/config/schema.ts'

const page = readFileSync(new URL('../../docs/chains.md', import.meta.url), 'utf8')

function chainOf(entry: Record<string, unknown>): Config['chains'][number] {
  const chain = {
    rpcUrls: ['http://localhost:8545'],
    signer: { type: 'privateKey', env: 'HOLDFAST_PRIVATE_KEY' },
    ...entry,
  }
  const input = { database: { url: 'postgres://localhost/holdfast' }, chains: [chain] }
  return parseConfig(input, { HOLDFAST_PRIVATE_KEY: '11'.repeat(32) }).chains[0]!
}

/** Cells of the rows of a table of the page. */
function table(heading: string): string[][] {
  const section = page.split(`## ${heading}\n`)[1]!.split('\n## ')[0]!
  const rows = section.split('\n').filter((line) => line.startsWith('| '))
  return rows.slice(1).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

describe('a chain that is well known', () => {
  it.each([...PRESETS])('has a valid configuration without a setting of its own: %s', (chainId, preset) => {
    const { fees, pollIntervalMs, maxGas } = chainOf({ chainId })
    expect(fees).toMatchObject(preset.fees)
    expect(pollIntervalMs).toBe(preset.pollIntervalMs ?? 12_000)
    expect(maxGas).toBe(preset.maxGas ?? 10_000_000)
  })

  it('has what is configured, rather', () => {
    const own = { maxFeePerGasGwei: 900, minTipGwei: 30, maxTipGwei: 60, floorGwei: 31 }
    expect(chainOf({ chainId: 137, pollIntervalMs: 999, maxGas: 77_777, fees: own })).toMatchObject({
      pollIntervalMs: 999,
      maxGas: 77_777,
      fees: own,
    })
  })

  it.each([
    [{ maxTipGwei: 5 }, { minTipGwei: 5, maxTipGwei: 5, maxFeePerGasGwei: 2000 }],
    [{ maxFeePerGasGwei: 3 }, { minTipGwei: 3, maxTipGwei: 3, maxFeePerGasGwei: 3 }],
    [{ minTipGwei: 600 }, { minTipGwei: 600, maxTipGwei: 600, maxFeePerGasGwei: 2000 }],
    [{ minTipGwei: 3000 }, { minTipGwei: 3000, maxTipGwei: 3000, maxFeePerGasGwei: 3000 }],
    [{ floorGwei: 4000 }, { minTipGwei: 25, maxTipGwei: 500, maxFeePerGasGwei: 4000 }],
  ])('gives way where a preset contradicts what is configured: %j', (fees, expected) => {
    expect(chainOf({ chainId: 137, fees }).fees).toMatchObject(expected)
  })

  it('has the faults of its own settings named', () => {
    expect(() => chainOf({ chainId: 137, fees: 'low' })).toThrow(/chains\[0\]\.fees/)
    expect(() => chainOf({ chainId: 137, fees: { maxTipGwei: 'much' } })).toThrow(/maxTipGwei/)
  })

  it('is none for a chain id that is not listed', () => {
    expect(chainOf({ chainId: 31337 })).toMatchObject({ pollIntervalMs: 12_000, fees: { maxTipGwei: 5 } })
  })
})

describe('docs/chains.md', () => {
  it('lists every preset, and no other', () => {
    const told = (value: number | undefined) => (value === undefined ? '–' : String(value))
    expect(table('Presets')).toEqual(
      [...PRESETS].map(([chainId, { name, fees, pollIntervalMs, maxGas }]) => [
        String(chainId),
        name,
        String(fees.maxFeePerGasGwei),
        String(fees.minTipGwei),
        String(fees.maxTipGwei),
        told(pollIntervalMs),
        told(maxGas),
      ]),
    )
  })

  it('reckons what an anchor costs from what it states', () => {
    const rows = table('What an anchor costs')
    expect(rows.length).toBeGreaterThan(10)
    for (const [chain, gas, gwei, , price, cost, month] of rows) {
      const usd = Number(gas!.replaceAll(',', '')) * Number(gwei) * 1e-9 * Number(price)
      expect(Number(cost) / usd, chain!).toBeCloseTo(1, 1)
      expect(Number(month) / (usd * 6 * 24 * 30), chain!).toBeCloseTo(1, 1)
    }
  })
})
