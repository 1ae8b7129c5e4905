import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { HoldfastError } from '../core/errors.ts'
import type { Fault } from './environment.ts'
import type { Config, SignerConfig } from './schema.ts'

type Environment = Readonly<Record<string, string | undefined>>

const PRIVATE_KEY = /^(?:0x)?([0-9a-fA-F]{64})$/
const HIDDEN = '[redacted]'

type SignerOf<T extends SignerConfig['type']> = Extract<SignerConfig, { type: T }>

/**
 * The signing key as `0x` and 64 hex digits. It is never part of the configuration, of a log line or of an error.
 * @throws HoldfastError INVALID_CONFIG when the variable or file is missing or does not hold a key
 */
export function readPrivateKey(signer: SignerOf<'privateKey'>, env: Environment): `0x${string}` {
  const digits = PRIVATE_KEY.exec(readSecret(signer, env, 'private key').trim())?.[1]
  if (digits === undefined) {
    const place = signer.env === undefined ? `File ${signer.file}` : `Environment variable ${signer.env}`
    throw new HoldfastError('INVALID_CONFIG', `${place} does not hold a private key, which is 64 hex digits.`)
  }
  return `0x${digits.toLowerCase()}`
}

/**
 * An encrypted keystore as it stands in its file, and the passphrase, without the line end that editors put after it.
 * @throws HoldfastError INVALID_CONFIG when either is missing or the file is not JSON
 */
function readKeystore(signer: SignerOf<'keystore'>, env: Environment): { json: string; passphrase: string } {
  const json = readText(signer.file, 'keystore')
  try {
    JSON.parse(json)
  } catch {
    throw new HoldfastError('INVALID_CONFIG', `File ${signer.file} is not a keystore: it is not JSON.`)
  }
  const place = { env: signer.passphraseEnv, file: signer.passphraseFile }
  return { json, passphrase: readSecret(place, env, 'passphrase').replace(/\r?\n$/, '') }
}

/**
 * The PEM files by which a remote signer and this side know each other.
 * @throws HoldfastError INVALID_CONFIG when one cannot be read or does not fit
 */
function readTls(signer: SignerOf<'remote'>): {
  ca: string | undefined
  cert: string | undefined
  key: string | undefined
} {
  const read = (file: string | undefined, what: string) =>
    file === undefined ? undefined : readText(file, what)
  const tls = {
    ca: read(signer.caFile, 'certificates of authorities'),
    cert: read(signer.certFile, 'client certificate'),
    key: read(signer.keyFile, 'client key'),
  }
  try {
    createSecureContext(tls)
  } catch (error) {
    // OpenSSL's code says which of them and why; its message may quote what it read.
    const code = (error as { code?: unknown }).code
    throw new HoldfastError('INVALID_CONFIG', `caFile, certFile or keyFile is not usable PEM: ${code}.`)
  }
  return tls
}

/**
 * A chain's signer with its secrets read, for `createSigner` of `anchor/`. Secrets appear in no error.
 * @param env where secrets are looked up, usually `process.env`
 * @throws HoldfastError INVALID_CONFIG for missing or wrong secrets
 */
export function readSigner(signer: SignerConfig, env: Environment) {
  switch (signer.type) {
    case 'privateKey':
      return { type: signer.type, privateKey: readPrivateKey(signer, env) }
    case 'keystore':
      return { type: signer.type, ...readKeystore(signer, env) }
    case 'remote':
      return { ...signer, ...readTls(signer) }
    case 'awsKms':
      return signer
  }
}

function readSecret(
  place: { env?: string | undefined; file?: string | undefined },
  env: Environment,
  what: string,
): string {
  if (place.env === undefined) return readText(place.file!, what)
  const text = env[place.env]
  if (text) return text
  throw new HoldfastError('INVALID_CONFIG', `Environment variable ${place.env} is not set.`)
}

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new HoldfastError('INVALID_CONFIG', `File ${file} with the ${what} cannot be read.`, { cause })
  }
}

/** Every secret text that a signer rests on, as far as it is in this process. */
function secretsOfSigner(signer: SignerConfig, env: Environment): string[] {
  switch (signer.type) {
    case 'privateKey': {
      const key = readPrivateKey(signer, env).slice(2)
      return [key, key.toUpperCase(), readSecret(signer, env, 'private key').trim()]
    }
    case 'keystore':
      return [readKeystore(signer, env).passphrase]
    case 'remote': {
      const lines = readTls(signer).key?.split('\n') ?? []
      return [...secretsOfUrl(signer.url), ...lines.filter((line) => !line.startsWith('-'))]
    }
    case 'awsKms':
      return [env.AWS_SECRET_ACCESS_KEY ?? '', env.AWS_SESSION_TOKEN ?? '']
  }
}

/** Tries every place that a signer reads, so that a missing key or passphrase is reported with the other faults and not at the first tick. */
export function secretFaults(config: Config, env: Environment): Fault[] {
  return config.chains.flatMap(({ signer }, index) => {
    try {
      secretsOfSigner(signer, env)
      return []
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error
      return [{ path: `chains[${index}].signer`, message: error.message }]
    }
  })
}

/**
 * The configuration as it may be shown: passwords in URLs and everything behind the host of an RPC URL (where
 * gateways put their API keys) are replaced.
 */
export function describeConfig(config: Config): unknown {
  return {
    ...config,
    database: { ...config.database, url: describeUrl(config.database.url) },
    chains: config.chains.map((chain) => ({
      ...chain,
      rpcUrls: chain.rpcUrls.map(describeRpcUrl),
      signer:
        chain.signer.type === 'remote'
          ? { ...chain.signer, url: describeRpcUrl(chain.signer.url) }
          : chain.signer,
    })),
  }
}

/** A URL without its password and its query's values. */
function describeUrl(text: string): string {
  if (!URL.canParse(text)) return HIDDEN
  const url = new URL(text)
  if (url.password !== '') url.password = HIDDEN
  for (const name of [...url.searchParams.keys()]) {
    if (/pass|key|secret|token/i.test(name)) url.searchParams.set(name, HIDDEN)
  }
  return decodeURI(url.href).replaceAll('%5Bredacted%5D', HIDDEN)
}

/** Scheme, host and port of an RPC URL; a path or query may be an API key. */
export function describeRpcUrl(text: string): string {
  if (!URL.canParse(text)) return HIDDEN
  const url = new URL(text)
  const bare = url.pathname === '/' && url.search === '' && url.username === '' && url.password === ''
  return bare ? `${url.protocol}//${url.host}` : `${url.protocol}//${url.host}/${HIDDEN}`
}

/**
 * Texts that no log line may contain: signing keys, database password, and the secret parts of RPC URLs. For
 * `createLogger`.
 */
export function secretsOf(config: Config, env: Environment): string[] {
  const secrets: string[] = []
  const database = new URL(config.database.url)
  secrets.push(database.password, safeDecode(database.password))
  for (const { rpcUrls, signer } of config.chains) {
    secrets.push(...secretsOfSigner(signer, env), ...rpcUrls.flatMap(secretsOfUrl))
  }
  return [...new Set(secrets.filter((secret) => secret.length >= 4))]
}

function secretsOfUrl(text: string): string[] {
  const url = new URL(text)
  const parts = [...url.pathname.split('/'), ...url.searchParams.values()]
  return [url.password, safeDecode(url.password), ...parts.filter((part) => part.length >= 16)]
}

function safeDecode(text: string): string {
  return URL.canParse(`x:${text}`) ? decodeURIComponent(text.replace(/%(?![0-9a-fA-F]{2})/g, '%25')) : text
}
