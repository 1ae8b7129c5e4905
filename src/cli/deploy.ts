import { deployRegistry } from '../anchor/contract/deploy.ts'
import { REGISTRY_ADDRESS } from '../anchor/contract/registry.generated.ts'
import { missingRegistryAdvice, registryOf } from '../anchor/contract/registry.ts'
import { hasCode } from '../anchor/rpc/chain-reads.ts'
import { createEndpoints, type Endpoints } from '../anchor/rpc/endpoints.ts'
import { createSigner } from '../anchor/signers/open.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { readSigner, secretsOf } from '../config/secrets.ts'
import { HoldfastError } from '../core/errors.ts'
import { noMetrics } from '../core/metrics.ts'
import { type Logger, systemClock } from '../core/ports.ts'
import { createLogger } from '../ops/logger.ts'
import { openDatabase, type Pool } from '../store/connection/database.ts'
import { requireMigrated } from '../store/connection/migrate.ts'
import { explained } from './database-url.ts'
import { print } from './terminal.ts'

const RPC_TIMEOUT_MS = 10_000

export async function deploy(): Promise<void> {
  const config = loadConfig(process.env)
  const logger = createLogger({ ...config.log, level: 'warn', secrets: secretsOf(config, process.env) })
  const lines = await explained(config.database.url, () => deployEverywhere(config, process.env, logger))
  for (const line of lines) print(line)
}

/** Puts the registry on every chain that names no other; says what was done, a line a chain. */
export async function deployEverywhere(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  logger: Logger,
): Promise<string[]> {
  const lines: string[] = []
  const database = openDatabase({ url: config.database.url, poolSize: 1, name: 'holdfast-deploy', logger })
  try {
    await requireMigrated(database)
    for (const chain of config.chains) lines.push(await deployOn(chain, env, logger, database.pool))
  } finally {
    await database.close()
  }
  return lines
}

async function deployOn(
  chain: Config['chains'][number],
  env: Readonly<Record<string, string | undefined>>,
  logger: Logger,
  pool: Pool,
): Promise<string> {
  const { chainId } = chain
  const endpoints = createEndpoints({
    ...chain,
    timeoutMs: RPC_TIMEOUT_MS,
    clock: systemClock,
    logger,
    metrics: noMetrics,
  })
  try {
    await endpoints.requireChain()
    if (registryOf(chain) !== REGISTRY_ADDRESS) return await requireConfigured(chain, endpoints)
    const signer = await createSigner(readSigner(chain.signer, env))
    const { address, transactionHash } = await deployRegistry({
      endpoints,
      chainId,
      signer,
      fees: chain.fees,
      maxGas: chain.maxGas,
      pool,
    })
    return `chain ${chainId}: ${address} ${transactionHash ? `deployed in ${transactionHash}` : 'was there'}`
  } finally {
    endpoints.close()
  }
}

/**
 * Deploys nothing where another address is configured, and says whether a contract is there.
 * @throws HoldfastError INVALID_CONFIG when there is none
 */
async function requireConfigured(chain: Config['chains'][number], endpoints: Endpoints): Promise<string> {
  const registry = registryOf(chain)
  const { ask } = await endpoints.view()
  const where = `chain ${chain.chainId}: ${registry} is configured`
  if (await hasCode(ask, registry)) return `${where} and holds a contract; nothing to deploy`
  throw new HoldfastError(
    'INVALID_CONFIG',
    `${where}, but holds no contract. ${missingRegistryAdvice(chain)}`,
  )
}
