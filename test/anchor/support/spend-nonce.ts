import { Wallet } from 'ethers'
import { DEV_ACCOUNTS, type TestAnvil } from '../../support/anvil.ts'
import { PUBLISHER } from './harness.ts'

const GWEI = 1_000_000_000n

/** Somebody else with the publisher's key: a transfer that outbids everything. */
export async function spendNonce(anvil: TestAnvil, nonce: number): Promise<void> {
  const raw = await new Wallet(PUBLISHER.privateKey).signTransaction({
    type: 2,
    chainId: 31337,
    nonce,
    to: DEV_ACCOUNTS[1].address,
    value: 1n,
    gasLimit: 21_000,
    maxFeePerGas: 100n * GWEI,
    maxPriorityFeePerGas: 50n * GWEI,
  })
  await anvil.rpc('eth_sendRawTransaction', [raw])
}
