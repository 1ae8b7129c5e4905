import { createHash } from 'node:crypto'
import { id } from 'ethers'
import { createHoldfastClient, type HoldfastClient } from 'holdfast-client'
import { DEV_ACCOUNTS, startTestAnvil, type TestAnvil } from '../support/anvil.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type ChildRun, runHoldfast } from '../support/process.ts'

/** A real database, chain and contract, and the built `holdfast serve` against them, to be killed and started again. */
export type Served = {
  anvil: TestAnvil
  database: TestDatabase
  /** Of scope `ingest` and `audit`. */
  apiKey: string
  createKey(name: string, ...scopes: string[]): Promise<string>
  env: Record<string, string>
  /** Starts a daemon; `faultPoint` names the instant at which it kills itself. */
  start(options?: {
    faultPoint?: string
    cron?: string
    databaseUrl?: string
    /** Further variables. */
    env?: Record<string, string>
  }): Promise<{ run: ChildRun; url: string; client: HoldfastClient }>
  /** How often each root stands in the registry's events on the canonical chain. */
  rootsOnChain(): Promise<Map<string, number>>
  close(): Promise<void>
}

const EVERY_SECOND = '* * * * * *'

/** @param options databaseUrl: a migrated database to use instead of one of the run's shared server */
export async function createServed(options: { databaseUrl?: string } = {}): Promise<Served> {
  const given = options.databaseUrl
  const [anvil, database] = await Promise.all([
    startTestAnvil([], { blockEveryMs: 500 }),
    given === undefined ? createTestDatabase() : { url: given, drop: async () => undefined },
  ])
  const env: Record<string, string> = {
    DATABASE_URL: database.url,
    HOLDFAST_HTTP_PORT: '0',
    HOLDFAST_CHAIN_ID: '31337',
    HOLDFAST_RPC_URL: anvil.url,
    HOLDFAST_PRIVATE_KEY: DEV_ACCOUNTS[0].privateKey,
    HOLDFAST_CRON: EVERY_SECOND,
    HOLDFAST_POLL_INTERVAL_MS: '200',
    HOLDFAST_SEAL_MAX_AGE_MS: '200',
    HOLDFAST_LEASE_TTL_MS: '2000',
  }
  const daemons: ChildRun[] = []
  const deployed = runHoldfast(['deploy'], { env })
  await deployed.exit()
  async function createKey(name: string, ...scopes: string[]): Promise<string> {
    const run = runHoldfast(['keys', 'create', name, ...scopes.flatMap((scope) => ['--scope', scope])], {
      env,
    })
    await run.exit()
    return run.stdout().trim()
  }
  const apiKey = await createKey('producer', 'ingest', 'audit')

  return {
    anvil,
    database,
    apiKey,
    createKey,
    env,
    async start({ faultPoint, cron, databaseUrl, env: more } = {}) {
      const run = runHoldfast(['serve'], {
        env: {
          ...env,
          ...more,
          ...(databaseUrl ? { DATABASE_URL: databaseUrl } : {}),
          ...(cron ? { HOLDFAST_CRON: cron } : {}),
          ...(faultPoint ? { HOLDFAST_FAULT_POINT: faultPoint } : {}),
        },
      })
      daemons.push(run)
      const url = (await run.waitFor(/"url":"(http:[^"]+)","msg":"listening"/))[1]!
      return { run, url, client: createHoldfastClient({ url, apiKey, patienceMs: 0 }) }
    },
    async rootsOnChain() {
      const logs = (await anvil.rpc('eth_getLogs', [
        { fromBlock: '0x0', toBlock: 'latest', topics: [id('Anchored(address,bytes32)')] },
      ])) as { topics: string[] }[]
      const roots = new Map<string, number>()
      for (const { topics } of logs) roots.set(topics[2]!, (roots.get(topics[2]!) ?? 0) + 1)
      return roots
    },
    async close() {
      for (const run of daemons) run.kill('SIGKILL')
      await Promise.all(daemons.map((run) => run.exit()))
      await Promise.all([anvil.stop(), database.drop()])
    },
  }
}

/** The hash of the n-th test record, 32 bytes. */
export const digest = (n: number): Buffer => createHash('sha256').update(`e2e ${n}`).digest()

/** The record once its batch is committed; null before. */
export async function sealedRecord(client: HoldfastClient, hash: Buffer) {
  const record = await client.record(hash)
  return record?.status === 'accepted' ? null : record
}
