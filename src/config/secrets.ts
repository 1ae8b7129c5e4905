import { readFileSync } from 'node:fs'
import { HoldfastError } from '../core/errors.ts'
import type { Fault } from './environment.ts'
import type { Config, SignerConfig } from './schema.ts'

type Environment = Readonly<Record<string, string | undefined>>

const PRIVATE_KEY = /^(?:0x)?([0-9a-fA-F]{64})$/
const HIDDEN = '[redacted]'

/**
 * The signing key as `0x` and 64 hex digits. It is never part of the configuration, of a log line or of an error.
 * @throws HoldfastError INVALID_CONFIG when the variable or file is missing or does not hold a key
 */
export function readPrivateKey(signer: SignerConfig, env: Environment): `0x${string}` {
  const digits = PRIVATE_KEY.exec(keyText(signer, env))?.[1]
  if (digits === undefined) {
    const place = signer.env === undefined ? `File ${signer.file}` : `Environment variable ${signer.env}`
    throw new HoldfastError('INVALID_CONFIG', `${place} does not hold a private key, which is 64 hex digits.`)
  }
  return `0x${digits.toLowerCase()}`
}

function keyText(signer: SignerConfig, env: Environment): string {
  if (signer.env !== undefined) {
    const text = env[signer.env]
    if (text) return text.trim()
    throw new HoldfastError('INVALID_CONFIG', `Environment variable ${signer.env} is not set.`)
  }
  try {
    return readFileSync(signer.file!, 'utf8').trim()
  } catch (cause) {
    throw new HoldfastError('INVALID_CONFIG', `File ${signer.file} with the private key cannot be read.`, {
      cause,
    })
  }
}

/** Tries every signing key's place, so that a missing key is reported with the other faults and not at the first tick. */
export function secretFaults(config: Config, env: Environment): Fault[] {
  return config.chains.flatMap(({ signer }, index) => {
    try {
      readPrivateKey(signer, env)
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
    chains: config.chains.map((chain) => ({ ...chain, rpcUrls: chain.rpcUrls.map(describeRpcUrl) })),
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
    const key = readPrivateKey(signer, env).slice(2)
    secrets.push(key, key.toUpperCase(), keyText(signer, env))
    for (const text of rpcUrls) {
      const url = new URL(text)
      secrets.push(url.password, safeDecode(url.password))
      secrets.push(...url.pathname.split('/').filter((part) => part.length >= 16))
      secrets.push(...[...url.searchParams.values()].filter((part) => part.length >= 16))
    }
  }
  return [...new Set(secrets.filter((secret) => secret.length >= 4))]
}

function safeDecode(text: string): string {
  return URL.canParse(`x:${text}`) ? decodeURIComponent(text.replace(/%(?![0-9a-fA-F]{2})/g, '%25')) : text
}
