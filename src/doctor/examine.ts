/**
 * `holdfast doctor`: in, the configuration of a daemon that may or may not run. Out, a verdict on everything it rests
 * on. Nothing is written and nothing is sent; every check has a time limit and stands for itself.
 */
import type { Config } from '../config/schema.ts'
import { secretsOf } from '../config/secrets.ts'
import { hashes } from '../core/counted.ts'
import { type Clock, systemClock } from '../core/ports.ts'
import { type Database, openDatabase } from '../store/connection/database.ts'
import { leaseHolder } from '../store/connection/leases.ts'
import { pendingMigrations } from '../store/connection/migrate.ts'
import { readServerClock, readServerFacts } from '../store/connection/server-facts.ts'
import { intakeBacklog } from '../store/intake/intake.ts'
import { chainChecks } from './chain.ts'
import { type Check, type Finding, fail, judgeClock, ok, seconds, warn } from './verdict.ts'

const CHECK_LIMIT_MS = 12_000
const CLOSE_LIMIT_MS = 1_000
const QUERY_LIMIT_MS = 5_000
const OLDEST_SERVER = 150_000
const SEAL_WARN_MS = 5_000
const SEAL_FAIL_MS = 30_000

/** Findings in a fixed order: the database first, then chain by chain. Never rejects. */
export async function examine(options: {
  config: Config
  env: Readonly<Record<string, string | undefined>>
  clock?: Clock
  checkLimitMs?: number
}): Promise<Finding[]> {
  const { config, env, clock = systemClock, checkLimitMs = CHECK_LIMIT_MS } = options
  const database = openDatabase({
    url: config.database.url,
    poolSize: 4,
    name: 'holdfast-doctor',
    statementTimeoutMs: QUERY_LIMIT_MS,
    readOnly: true,
  })
  const chains = config.chains.map((chain) => chainChecks({ chain, env, pool: database.pool, clock }))
  const checks = [...databaseChecks(database, config, clock), ...chains.flatMap((each) => each.checks)]
  const secrets = secretsOf(config, env)
  try {
    const findings = await Promise.all(checks.map((check) => judge(check, checkLimitMs)))
    return findings.map((finding) => ({ ...finding, detail: withoutSecrets(finding.detail, secrets) }))
  } finally {
    for (const chain of chains) chain.close()
    // A server that hangs must not keep the doctor.
    await withLimit(database.close(), CLOSE_LIMIT_MS).catch(() => undefined)
  }
}

function databaseChecks(database: Database, config: Config, clock: Clock): Check[] {
  const { pool } = database
  const migrate = 'Run `holdfast migrate` with the same DATABASE_URL.'
  return [
    {
      name: 'database',
      async run() {
        const { version, versionNumber, durable, standby } = await readServerFacts(pool)
        if (versionNumber < OLDEST_SERVER)
          return fail(`PostgreSQL ${version}`, 'Holdfast needs PostgreSQL 15 or later; upgrade the server.')
        if (standby) {
          const todo = 'Have DATABASE_URL lead to the primary: a standby takes no writes.'
          return fail(`PostgreSQL ${version} is a standby`, todo)
        }
        if (!durable) {
          const todo = 'Set both on: as it is, a loss of power may lose acknowledged hashes.'
          return warn(`PostgreSQL ${version}, with fsync or full_page_writes off`, todo)
        }
        return ok(`PostgreSQL ${version} answers`)
      },
    },
    {
      name: 'migrations',
      async run() {
        const pending = await pendingMigrations(database)
        return pending.length === 0 ? ok('up to date') : fail(`lacks ${pending.join(', ')}`, migrate)
      },
    },
    {
      name: 'clock',
      async run() {
        const before = clock.now()
        const nowMs = await readServerClock(pool)
        return judgeClock((before + clock.now()) / 2 - nowMs, 'the database')
      },
    },
    {
      name: 'sealing lease',
      async run() {
        const holder = await leaseHolder(pool, 'seal')
        return holder
          ? ok(`${holder.owner} seals (epoch ${holder.epoch})`)
          : warn('no daemon seals now', 'Start `holdfast serve`, or see in its log why it does not seal.')
      },
    },
    {
      name: 'intake backlog',
      async run() {
        const { leaves, oldestAgeMs } = await intakeBacklog(pool)
        const oldest = oldestAgeMs === null ? '' : `, the oldest for ${seconds(oldestAgeMs)}`
        const text = `${hashes(leaves)} to be sealed${oldest}`
        const late = (oldestAgeMs ?? 0) - config.seal.maxAgeMs
        if (late < SEAL_WARN_MS) return ok(text)
        const todo = 'A running daemon seals within seconds: look at the sealing lease and at its log.'
        return late < SEAL_FAIL_MS ? warn(text, todo) : fail(text, todo)
      },
    },
  ]
}

async function judge({ name, run }: Check, limitMs: number): Promise<Finding> {
  try {
    return { name, ...(await withLimit(run(), limitMs)) }
  } catch (error) {
    const detail = messageOf(error)
    return { name, ...fail(detail, todoFor(name)) }
  }
}

function todoFor(name: string): string {
  if (name.includes('signer')) return 'Check the signer of the configuration, and that it is reachable.'
  return name.includes('chain')
    ? 'Check the chain’s rpcUrls, its other lines here, and the database.'
    : 'Check DATABASE_URL, and that the server runs, takes connections and is migrated.'
}

/** pg joins the faults of several addresses in one error without words. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}

async function withLimit<T>(work: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${seconds(limitMs)}`)), limitMs)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}

function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text)
}
