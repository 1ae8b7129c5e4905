import { readFileSync } from 'node:fs'
import { Interface } from 'ethers'
import solc from 'solc'
import { DEV_ACCOUNTS, type TestAnvil } from '../../support/anvil.ts'
import { until } from '../../support/wait.ts'

const SOURCE = 'DearRegistry.sol'
const OWNER = DEV_ACCOUNTS[2].address

export type DearRegistry = {
  address: string
  /** Changes what each call burns besides, as a fork does. */
  setBurnt(gas: number): Promise<void>
}

/** Deploys the registry with the same event whose calls burn so much gas more. The account of the publisher is not used. */
export async function deployDearRegistry(anvil: TestAnvil, burnt: number): Promise<DearRegistry> {
  const { abi, bytecode } = compiled()
  const contract = new Interface(abi)
  const send = async (transaction: object) => {
    const hash = await anvil.rpc('eth_sendTransaction', [{ from: OWNER, ...transaction }])
    return until(
      async () =>
        (await anvil.rpc('eth_getTransactionReceipt', [hash])) as { contractAddress: string } | null,
      { what: 'a receipt' },
    )
  }
  const argument = contract.encodeDeploy([burnt]).slice(2)
  const { contractAddress: address } = await send({ data: `0x${bytecode}${argument}` })
  return {
    address,
    async setBurnt(gas) {
      await send({ to: address, data: contract.encodeFunctionData('setBurnt', [gas]) })
    },
  }
}

/** With the settings of contracts/build.mjs. */
function compiled(): { abi: string; bytecode: string } {
  const content = readFileSync(new URL(SOURCE, import.meta.url), 'utf8')
  const input = {
    language: 'Solidity',
    sources: { [SOURCE]: { content } },
    settings: {
      optimizer: { enabled: true, runs: 1_000_000 },
      evmVersion: 'paris',
      metadata: { bytecodeHash: 'none' },
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
    },
  }
  const { contracts, errors } = JSON.parse(solc.compile(JSON.stringify(input)))
  if (errors !== undefined) throw new Error(JSON.stringify(errors))
  const contract = contracts[SOURCE].DearRegistry
  return { abi: contract.abi, bytecode: contract.evm.bytecode.object }
}
