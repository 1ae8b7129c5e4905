import { privateKeySigner, type Signer } from './anchor/signer.ts'
import { kmsSigner } from './anchor/signers/aws-kms.ts'
import { keystoreSigner } from './anchor/signers/keystore.ts'
import { remoteSigner } from './anchor/signers/remote.ts'
import type { SignerConfig } from './config/schema.ts'
import { readKeystore, readPrivateKey, readTls } from './config/secrets.ts'

/** A signer that has not answered by then has not answered. */
const TIMEOUT_MS = 10_000

/**
 * The signer that the configuration names. Secrets are read now, and appear in no error.
 * @param env where secrets are looked up, usually `process.env`
 * @throws HoldfastError INVALID_CONFIG for missing or wrong secrets; SIGNER_UNAVAILABLE only from AWS KMS without a
 *   configured address
 */
export async function createSigner(
  config: SignerConfig,
  env: Readonly<Record<string, string | undefined>>,
  { timeoutMs = TIMEOUT_MS }: { timeoutMs?: number } = {},
): Promise<Signer> {
  switch (config.type) {
    case 'privateKey':
      return privateKeySigner(readPrivateKey(config, env))
    case 'keystore':
      return keystoreSigner(readKeystore(config, env))
    case 'remote':
      return remoteSigner({ ...config, ...readTls(config), timeoutMs })
    case 'awsKms':
      return kmsSigner({ ...config, timeoutMs })
  }
}
