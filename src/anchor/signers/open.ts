import { kmsSigner } from './aws-kms.ts'
import { keystoreSigner } from './keystore.ts'
import { remoteSigner } from './remote.ts'
import { privateKeySigner, type Signer } from './signer.ts'

/** A signing request that takes longer counts as unanswered. */
const TIMEOUT_MS = 10_000

/** A chain's `signer` setting with its secrets read, as `readSigner` of `config/` returns it. */
type SignerSettings =
  | { type: 'privateKey'; privateKey: `0x${string}` }
  | ({ type: 'keystore' } & Parameters<typeof keystoreSigner>[0])
  | ({ type: 'remote' } & Omit<Parameters<typeof remoteSigner>[0], 'timeoutMs'>)
  | ({ type: 'awsKms' } & Omit<Parameters<typeof kmsSigner>[0], 'timeoutMs'>)

/**
 * Opens the signer that the configuration names.
 * @throws HoldfastError INVALID_CONFIG when a keystore or its passphrase is wrong; SIGNER_UNAVAILABLE only from AWS
 *   KMS without a configured address
 */
export async function createSigner(
  settings: SignerSettings,
  { timeoutMs = TIMEOUT_MS }: { timeoutMs?: number } = {},
): Promise<Signer> {
  switch (settings.type) {
    case 'privateKey':
      return privateKeySigner(settings.privateKey)
    case 'keystore':
      return keystoreSigner(settings)
    case 'remote':
      return remoteSigner({ ...settings, timeoutMs })
    case 'awsKms':
      return kmsSigner({ ...settings, timeoutMs })
  }
}
