import { type Anvil, startAnvil } from '../../src/dev/anvil.ts'
import { callRpc } from '../../src/dev/rpc.ts'

/** anvil's public development accounts, each with 10,000 ETH: keys of no value anywhere else. */
export const DEV_ACCOUNTS = [
  {
    address: '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
    privateKey: '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
  },
  {
    address: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
    privateKey: '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d',
  },
  {
    address: '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC',
    privateKey: '0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a',
  },
  {
    address: '0x90F79bf6EB2c4f870365E785982E1f101E93b906',
    privateKey: '0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6',
  },
] as const

export type TestAnvil = Anvil & {
  /** Any JSON-RPC call. */
  rpc(method: string, params?: readonly unknown[]): Promise<unknown>
  /** Mines empty or pending blocks. */
  mine(blocks?: number): Promise<void>
  /** Whether a transaction is mined as soon as it arrives. */
  setAutomine(on: boolean): Promise<void>
  /** Replaces the newest `depth` blocks; `transactions` are [raw, block offset from 0] pairs for the new ones. */
  reorg(depth: number, transactions?: readonly (readonly [raw: string, block: number])[]): Promise<void>
  /** Forgets a transaction that waits. Whether it was there. */
  dropTransaction(hash: string): Promise<boolean>
  setNextBaseFee(wei: bigint): Promise<void>
  setBalance(address: string, wei: bigint): Promise<void>
  setNonce(address: string, nonce: number): Promise<void>
  blockNumber(): Promise<number>
  /** The whole chain as it stands now, to go back to once. */
  snapshot(): Promise<string>
  revert(snapshot: string): Promise<void>
}

const quantity = (value: number | bigint) => `0x${value.toString(16)}`

/** A chain of this test's own on a free port: automine, finalized = newest block but four. Stop it when done. */
export async function startTestAnvil(
  args: readonly string[] = [],
  options: { port?: number; chainId?: number; stateFile?: string; blockEveryMs?: number } = {},
): Promise<TestAnvil> {
  const anvil = await startAnvil({ ...options, args })
  const rpc = (method: string, params: readonly unknown[] = []) => callRpc(anvil.url, method, params)
  return {
    ...anvil,
    rpc,
    async mine(blocks = 1) {
      await rpc('anvil_mine', [quantity(blocks)])
    },
    async setAutomine(on) {
      await rpc('evm_setAutomine', [on])
    },
    async reorg(depth, transactions = []) {
      await rpc('anvil_reorg', [depth, transactions])
    },
    async dropTransaction(hash) {
      return (await rpc('anvil_dropTransaction', [hash])) !== null
    },
    async setNextBaseFee(wei) {
      await rpc('anvil_setNextBlockBaseFeePerGas', [quantity(wei)])
    },
    async setBalance(address, wei) {
      await rpc('anvil_setBalance', [address, quantity(wei)])
    },
    async setNonce(address, nonce) {
      await rpc('anvil_setNonce', [address, quantity(nonce)])
    },
    async blockNumber() {
      return Number(await rpc('eth_blockNumber'))
    },
    async snapshot() {
      return (await rpc('evm_snapshot')) as string
    },
    async revert(snapshot) {
      await rpc('evm_revert', [snapshot])
    },
  }
}
