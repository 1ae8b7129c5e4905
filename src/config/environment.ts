/** A variable that overlays one place of the configuration file. Chain settings go to the only chain. */
export type EnvironmentVariable = {
  name: string
  /** Dotted path in the configuration; `chain.` stands for the only entry of `chains`. */
  path: string
  kind: 'text' | 'number' | 'flag' | 'list'
}

/** Every variable Holdfast reads; docs/configuration.md has the same table, held together by a test. */
export const ENVIRONMENT: readonly EnvironmentVariable[] = [
  { name: 'DATABASE_URL', path: 'database.url', kind: 'text' },
  { name: 'HOLDFAST_DATABASE_POOL_SIZE', path: 'database.poolSize', kind: 'number' },
  { name: 'HOLDFAST_DATABASE_READ_POOL_SIZE', path: 'database.readPoolSize', kind: 'number' },
  { name: 'HOLDFAST_DATABASE_STATEMENT_TIMEOUT_MS', path: 'database.statementTimeoutMs', kind: 'number' },
  { name: 'HOLDFAST_HTTP_HOST', path: 'http.host', kind: 'text' },
  { name: 'HOLDFAST_HTTP_PORT', path: 'http.port', kind: 'number' },
  { name: 'HOLDFAST_HTTP_BODY_LIMIT_BYTES', path: 'http.bodyLimitBytes', kind: 'number' },
  { name: 'HOLDFAST_HTTP_REQUEST_TIMEOUT_MS', path: 'http.requestTimeoutMs', kind: 'number' },
  { name: 'HOLDFAST_SEAL_MAX_AGE_MS', path: 'seal.maxAgeMs', kind: 'number' },
  { name: 'HOLDFAST_LEASE_TTL_MS', path: 'lease.ttlMs', kind: 'number' },
  { name: 'HOLDFAST_PUBLIC_RECEIPTS', path: 'auth.publicReceipts', kind: 'flag' },
  { name: 'HOLDFAST_LOG_LEVEL', path: 'log.level', kind: 'text' },
  { name: 'HOLDFAST_LOG_PRETTY', path: 'log.pretty', kind: 'flag' },
  { name: 'HOLDFAST_CHAIN_ID', path: 'chain.chainId', kind: 'number' },
  { name: 'HOLDFAST_RPC_URL', path: 'chain.rpcUrls', kind: 'list' },
  { name: 'HOLDFAST_REGISTRY', path: 'chain.registry', kind: 'text' },
  { name: 'HOLDFAST_CHAIN_MODE', path: 'chain.mode', kind: 'text' },
  { name: 'HOLDFAST_START_FROM', path: 'chain.startFrom', kind: 'text' },
  { name: 'HOLDFAST_CRON', path: 'chain.cron', kind: 'text' },
  { name: 'HOLDFAST_ANCHOR_WITHIN_MS', path: 'chain.anchorWithinMs', kind: 'number' },
  { name: 'HOLDFAST_POLL_INTERVAL_MS', path: 'chain.pollIntervalMs', kind: 'number' },
  { name: 'HOLDFAST_CONFIRMATIONS', path: 'chain.confirmations', kind: 'number' },
  { name: 'HOLDFAST_MAX_FEE_PER_GAS_GWEI', path: 'chain.fees.maxFeePerGasGwei', kind: 'number' },
  { name: 'HOLDFAST_PRIVATE_KEY', path: 'chain.signer', kind: 'text' },
  { name: 'HOLDFAST_PRIVATE_KEY_FILE', path: 'chain.signer', kind: 'text' },
  { name: 'HOLDFAST_KEYSTORE_FILE', path: 'chain.signer', kind: 'text' },
  { name: 'HOLDFAST_KEYSTORE_PASSPHRASE', path: 'chain.signer.passphraseEnv', kind: 'text' },
  { name: 'HOLDFAST_KEYSTORE_PASSPHRASE_FILE', path: 'chain.signer.passphraseFile', kind: 'text' },
  { name: 'HOLDFAST_SIGNER_URL', path: 'chain.signer', kind: 'text' },
  { name: 'HOLDFAST_KMS_KEY_ID', path: 'chain.signer', kind: 'text' },
  { name: 'HOLDFAST_SIGNER_ADDRESS', path: 'chain.signer.address', kind: 'text' },
]

/** Names the file; not part of the configuration itself. */
export const CONFIG_FILE_VARIABLE = 'HOLDFAST_CONFIG'

/** A configuration with the environment laid over it. */
export type Overlay = {
  value: unknown
  faults: Fault[]
  /** Which variable set the value at a path. */
  fromVariable: ReadonlyMap<string, string>
}

/** What is wrong at one place of the configuration. */
export type Fault = { path: string; message: string }

/**
 * Lays the variables that are set over a configuration as read from its file, without changing `base`. Values are
 * turned from text into what the schema wants; what cannot be turned stays text, for the schema to complain about.
 */
export function overlayEnvironment(
  base: unknown,
  env: Readonly<Record<string, string | undefined>>,
): Overlay {
  const value = structuredClone(base)
  const faults: Fault[] = []
  const fromVariable = new Map<string, string>()
  if (!isObject(value)) return { value, faults, fromVariable }
  for (const { name, path, kind } of ENVIRONMENT) {
    const text = env[name]
    if (text === undefined || text === '') continue
    let at = path
    if (path.startsWith('chain.')) {
      const chains = value.chains ?? []
      if (Array.isArray(chains) && chains.length > 1) {
        faults.push({
          path: name,
          message: `cannot say which of ${chains.length} chains it is for; set it in the configuration file`,
        })
        continue
      }
      at = `chains.0.${path.slice('chain.'.length)}`
    }
    fromVariable.set(at.replace('chains.0', 'chains[0]'), name)
    setPath(value, at.split('.'), SIGNER_VALUES[name]?.(text) ?? parsed(text, kind))
  }
  for (const names of [WHOLE_SIGNERS, PASSPHRASES]) {
    const [first, ...others] = names.filter((name) => env[name])
    if (first !== undefined && others.length > 0) {
      faults.push({ path: first, message: `set together with ${others.join(', ')}; set one of them` })
    }
  }
  return { value, faults, fromVariable }
}

/** The variables that an error at this path is about: the one that set it, or those that could where nothing did. */
export function variablesOf(path: string, { value, fromVariable }: Overlay): string {
  for (const [at, name] of fromVariable) {
    if (path === at || path.startsWith(`${at}.`) || path.startsWith(`${at}[`)) return name
  }
  const chains = isObject(value) && Array.isArray(value.chains) ? value.chains : []
  if (path === 'chains' && chains.length === 0) return 'HOLDFAST_CHAIN_ID, HOLDFAST_RPC_URL and a signer'
  if (isSet(value, path) || (path.startsWith('chains') && chains.length > 1)) return ''
  const setting = path.replace(/^chains\[0\]\./, 'chain.')
  return ENVIRONMENT.filter((each) => each.path === setting)
    .map(({ name }) => name)
    .join(', ')
}

function isSet(value: unknown, path: string): boolean {
  let at = value
  for (const key of path.split(/[.[\]]+/).filter((each) => each !== '')) {
    if (typeof at !== 'object' || at === null) return false
    at = (at as Record<string, unknown>)[key]
  }
  return at !== undefined
}

/** What stands in the configuration for such a variable: where a secret is, never the secret. */
const SIGNER_VALUES: Readonly<Record<string, (text: string) => unknown>> = {
  HOLDFAST_PRIVATE_KEY: () => ({ type: 'privateKey', env: 'HOLDFAST_PRIVATE_KEY' }),
  HOLDFAST_PRIVATE_KEY_FILE: (file) => ({ type: 'privateKey', file }),
  HOLDFAST_KEYSTORE_FILE: (file) => ({ type: 'keystore', file }),
  HOLDFAST_KEYSTORE_PASSPHRASE: () => 'HOLDFAST_KEYSTORE_PASSPHRASE',
  HOLDFAST_SIGNER_URL: (url) => ({ type: 'remote', url }),
  HOLDFAST_KMS_KEY_ID: (keyId) => ({ type: 'awsKms', keyId }),
}

const WHOLE_SIGNERS = ENVIRONMENT.filter(({ path }) => path === 'chain.signer').map(({ name }) => name)
const PASSPHRASES = ['HOLDFAST_KEYSTORE_PASSPHRASE', 'HOLDFAST_KEYSTORE_PASSPHRASE_FILE']

function parsed(text: string, kind: EnvironmentVariable['kind']): unknown {
  if (kind === 'number') return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
  if (kind === 'flag') return text === 'true' ? true : text === 'false' ? false : text
  if (kind === 'list') return text.split(',').map((part) => part.trim())
  return text
}

/** Sets a nested value, making objects and the `chains` array on the way; leaves a wrong type for the schema. */
function setPath(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at: Record<string, unknown> = target
  for (const [depth, key] of path.slice(0, -1).entries()) {
    at[key] ??= path[depth + 1] === '0' ? [] : {}
    const next = at[key]
    if (typeof next !== 'object' || next === null) return
    at = next as Record<string, unknown>
  }
  at[path.at(-1)!] = value
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
