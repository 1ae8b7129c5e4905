// Compiles AnchorRegistry.sol into contracts/build/AnchorRegistry.json (for people and block explorers) and
// src/anchor/contract/registry.generated.ts (for the daemon). The output is the same on every machine: the compiler is
// pinned by package-lock.json, the settings below are fixed, and the metadata hash, which would move the CREATE2
// address with every changed comment, is left out.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { getCreate2Address, keccak256 } from 'ethers'
import solc from 'solc'

const DEPLOYER = '0x4e59b44847b379578588920cA78FbF26c0B4956C'
const SALT = `0x${'00'.repeat(32)}`
const SOURCE = 'contracts/AnchorRegistry.sol'

const standardJsonInput = {
  language: 'Solidity',
  sources: { [SOURCE]: { content: readFileSync(new URL('AnchorRegistry.sol', import.meta.url), 'utf8') } },
  settings: {
    optimizer: { enabled: true, runs: 1_000_000 },
    // paris: the same bytes also run where PUSH0 is missing
    evmVersion: 'paris',
    metadata: { bytecodeHash: 'none' },
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
  },
}

const output = JSON.parse(solc.compile(JSON.stringify(standardJsonInput)))
const messages = output.errors ?? []
for (const message of messages) console.error(message.formattedMessage)
if (messages.length > 0) process.exit(1)

const contract = output.contracts[SOURCE].AnchorRegistry
const bytecode = `0x${contract.evm.bytecode.object}`
const deployedBytecode = `0x${contract.evm.deployedBytecode.object}`
const address = getCreate2Address(DEPLOYER, SALT, keccak256(bytecode))

mkdirSync(new URL('build/', import.meta.url), { recursive: true })
write('build/AnchorRegistry.json', {
  contractName: 'AnchorRegistry',
  compiler: solc.version(),
  deployer: DEPLOYER,
  salt: SALT,
  address,
  abi: contract.abi,
  bytecode,
  deployedBytecode,
  standardJsonInput,
})
writeFileSync(
  new URL('../src/anchor/contract/registry.generated.ts', import.meta.url),
  `// Written by contracts/build.mjs; do not edit.
/** The CREATE2 deployer that stands at the same address on (nearly) every EVM chain. */
export const REGISTRY_DEPLOYER = '${DEPLOYER}'
export const REGISTRY_SALT = '${SALT}'
/** Where the registry is on every chain it was deployed to, EIP-55. */
export const REGISTRY_ADDRESS = '${address}'
export const REGISTRY_BYTECODE =
  '${bytecode}'
export const REGISTRY_DEPLOYED_BYTECODE =
  '${deployedBytecode}'
export const REGISTRY_ABI = ${JSON.stringify(contract.abi)} as const
`,
)

function write(path, value) {
  writeFileSync(new URL(path, import.meta.url), `${JSON.stringify(value, null, 2)}\n`)
}
