import { z } from 'zod'
import { cronFault } from '../core/cron.ts'

/**
 * What a configuration may hold. Every key has a unit in its name or a plain meaning, every optional one a default.
 * docs/configuration.md describes each; a test holds the two together.
 */

const port = z.int().min(0).max(65_535)
const count = z.int().min(1)
const milliseconds = z.int().min(1)
const gwei = z.number().min(0)

const rpcUrl = z.string().refine((text) => hasScheme(text, ['http:', 'https:']), {
  error: 'expected an http:// or https:// URL',
})

const cronExpression = z.string().check((ctx) => {
  const message = cronFault(ctx.value)
  if (message !== undefined) ctx.issues.push({ code: 'custom', input: ctx.value, message })
})

const fees = z
  .strictObject({
    /** `auto`: EIP-1559 where the chain takes it. */
    type: z.enum(['auto', 'eip1559', 'legacy']).default('auto'),
    /** No transaction is signed above this, whatever it costs in waiting. */
    maxFeePerGasGwei: gwei.default(200),
    minTipGwei: gwei.default(0.01),
    maxTipGwei: gwei.default(5),
    /** Some chains refuse less than this as fee cap. */
    floorGwei: gwei.optional(),
    /** A transaction not mined after this is replaced with a dearer one. */
    bumpAfterMs: milliseconds.default(48_000),
    /** Also after this many blocks, when they come first. */
    bumpAfterBlocks: count.optional(),
  })
  .check(({ value, issues }) => {
    const { minTipGwei, maxTipGwei, floorGwei = 0, maxFeePerGasGwei } = value
    const atMost = (path: string, low: number, limit: string, high: number) => {
      if (low <= high) return
      const message = `expected at most ${limit}, which is ${high}, got ${low}`
      issues.push({ code: 'custom', input: low, path: [path], message })
    }
    atMost('minTipGwei', minTipGwei, 'maxTipGwei', maxTipGwei)
    atMost('minTipGwei', minTipGwei, 'maxFeePerGasGwei', maxFeePerGasGwei)
    atMost('floorGwei', floorGwei, 'maxFeePerGasGwei', maxFeePerGasGwei)
  })

const environmentName = z.string().min(1)
const path = z.string().min(1)
const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'expected an address: 0x and 40 hex digits')

const privateKeySigner = z
  .strictObject({
    type: z.literal('privateKey'),
    /** Name of the environment variable that holds the key, 64 hex digits. */
    env: environmentName.optional(),
    /** Path of a file that holds the key, 64 hex digits. */
    file: path.optional(),
  })
  .refine((signer) => (signer.env === undefined) !== (signer.file === undefined), {
    error: 'expected exactly one of env (name of an environment variable) and file (path)',
  })

const keystoreSigner = z
  .strictObject({
    type: z.literal('keystore'),
    /** Path of an encrypted JSON keystore, version 3. */
    file: path,
    passphraseEnv: environmentName.optional(),
    passphraseFile: path.optional(),
  })
  .refine((signer) => (signer.passphraseEnv === undefined) !== (signer.passphraseFile === undefined), {
    error:
      'expected exactly one of passphraseEnv (name of an environment variable) and passphraseFile (path)',
  })

const remoteSigner = z
  .strictObject({
    type: z.literal('remote'),
    /** A JSON-RPC service with `eth_signTransaction`, such as Web3Signer. */
    url: rpcUrl,
    address,
    /** PEM files. */
    caFile: path.optional(),
    certFile: path.optional(),
    keyFile: path.optional(),
  })
  .refine((signer) => (signer.certFile === undefined) === (signer.keyFile === undefined), {
    error: 'expected certFile and keyFile together, or neither',
  })

const awsKmsSigner = z.strictObject({
  type: z.literal('awsKms'),
  /** Key id, ARN or alias. */
  keyId: z.string().min(1),
  region: z.string().min(1).optional(),
  endpoint: rpcUrl.optional(),
  /** Where given, KMS need not answer at start. */
  address: address.optional(),
})

const signer = z.discriminatedUnion('type', [privateKeySigner, keystoreSigner, remoteSigner, awsKmsSigner])

const chain = z.strictObject({
  chainId: z.int().min(1),
  rpcUrls: z.array(rpcUrl).min(1),
  /** Default: the CREATE2 address, the same on every chain. */
  registry: z
    .string()
    .regex(/^0x[0-9a-fA-F]{40}$/, 'expected an address: 0x and 40 hex digits')
    .optional(),
  mode: z.enum(['storage', 'event']).default('storage'),
  /** `now` leaves out what was sealed before the chain was first configured. */
  startFrom: z.enum(['now', 'all']).default('all'),
  cron: cronExpression.default('*/10 * * * *'),
  anchorWithinMs: milliseconds.default(600_000),
  pollIntervalMs: milliseconds.default(12_000),
  /** Blocks on top that count as final, for chains without a `finalized` tag. */
  confirmations: count.optional(),
  fees: fees.prefault({}),
  /** Most gas that a transaction may be given, whatever the chain says it needs. */
  maxGas: z.int().min(21_000).default(10_000_000),
  resendAfterMs: milliseconds.default(120_000),
  /** In ether, as text so that no digit is lost. */
  dailySpendLimitEth: z
    .string()
    .regex(/^\d+(\.\d{1,18})?$/, 'expected an amount of ether as text, such as "0.05"')
    .optional(),
  spendPolicy: z.enum(['wait', 'alarm']).default('wait'),
  signer,
})

export const configSchema = z.strictObject({
  http: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1'),
      port: port.default(8080),
      bodyLimitBytes: z.int().min(1024).default(33_554_432),
      recordLimitBytes: z.int().min(1024).max(8_388_608).default(262_144),
      requestTimeoutMs: milliseconds.default(300_000),
      /** Default: what the file-descriptor limit leaves. */
      maxConnections: count.optional(),
    })
    .prefault({}),
  database: z
    .strictObject({
      url: z.string().refine((text) => hasScheme(text, ['postgres:', 'postgresql:']), {
        error: 'expected postgres://user:password@host:5432/name',
      }),
      poolSize: count.default(10),
      readPoolSize: count.default(10),
      /** Longest that a request waits for one statement. */
      statementTimeoutMs: milliseconds.default(10_000),
    })
    // Cast: the URL has no default, and its absence is reported at its own path.
    .prefault({} as { url: string }),
  ingest: z
    .strictObject({
      maxPendingBytes: count.default(134_217_728),
      maxChunkHashes: z.int().min(1024).max(4_194_304).default(65_536),
      maxCommitBytes: count.default(4_194_304),
      commitsInFlight: count.default(4),
    })
    .prefault({}),
  seal: z
    .strictObject({
      maxAgeMs: milliseconds.default(1000),
      maxLeaves: z.int().min(1).max(4_194_304).default(1_048_576),
      /** Runs of one tier of the leaf index that are merged into one of the next. */
      mergeFanOut: z.int().min(2).max(64).default(4),
    })
    .prefault({}),
  /** After this long without a sign of life another daemon takes the work over. */
  lease: z.strictObject({ ttlMs: z.int().min(1_000).default(15_000) }).prefault({}),
  auth: z.strictObject({ publicReceipts: z.boolean().default(true) }).prefault({}),
  chains: z
    .array(chain)
    .min(1)
    .check((ctx) => {
      const seen = new Map<number, number>()
      ctx.value.forEach(({ chainId }, index) => {
        const first = seen.get(chainId)
        if (first === undefined) seen.set(chainId, index)
        else {
          ctx.issues.push({
            code: 'custom',
            input: chainId,
            path: [index, 'chainId'],
            message: `chain ${chainId} is already chains[${first}]; one chain has one entry, with several rpcUrls if need be`,
          })
        }
      })
    }),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
      /** `auto`: readable lines on a terminal, JSON lines elsewhere. */
      pretty: z.union([z.boolean(), z.literal('auto')]).default('auto'),
    })
    .prefault({}),
})

/** The whole configuration, every default filled in. {@link loadConfig} returns it deeply frozen. */
export type Config = DeepReadonly<z.output<typeof configSchema>>

/** One entry of `chains`. */
type ConfiguredChain = Config['chains'][number]

/** Where a chain's signing key comes from. The configuration names the place and never holds the key. */
export type SignerConfig = ConfiguredChain['signer']

type DeepReadonly<T> = T extends (infer U)[]
  ? readonly DeepReadonly<U>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T

function hasScheme(text: string, schemes: readonly string[]): boolean {
  return URL.canParse(text) && schemes.includes(new URL(text).protocol)
}
