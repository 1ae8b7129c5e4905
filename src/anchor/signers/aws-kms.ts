/** A key that never leaves AWS KMS: key spec ECC_SECG_P256K1, usage SIGN_VERIFY. */
import type { KMSClient } from '@aws-sdk/client-kms'
import { getAddress, getBytes, recoverAddress, Transaction } from 'ethers'
import { HoldfastError } from '../../core/errors.ts'
import { addressOfSpki, lowSignatureOfDer, signatureBy } from './ecdsa.ts'
import type { Signer } from './signer.ts'

export type KmsSignerOptions = {
  /** Key id, ARN, or alias. */
  keyId: string
  /** Default: the SDK's own search, AWS_REGION first. Credentials are always the SDK's own search. */
  region?: string | undefined
  /** Another place than AWS's own, such as a VPC endpoint. */
  endpoint?: string | undefined
  /** The key's account, where it is known: then KMS is not asked for the public key, and may be away at start. */
  address?: string | undefined
  /** For each call, its repetitions included. */
  timeoutMs: number
}

const ATTEMPTS = 3

/**
 * Asks once for the public key, then one call a signature.
 * @throws HoldfastError INVALID_CONFIG when the SDK is not installed or the key is of another kind, SIGNER_UNAVAILABLE
 *   (retry) when KMS does not answer or refuses. Signing throws SIGNER_UNAVAILABLE, and SIGNER_FAULT for a signature
 *   by another key
 */
export async function kmsSigner(options: KmsSignerOptions): Promise<Signer> {
  const { keyId, timeoutMs } = options
  const { GetPublicKeyCommand, KMSClient, SignCommand } = await loadSdk()
  const client: KMSClient = new KMSClient({
    maxAttempts: ATTEMPTS,
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
  })
  const limit = () => ({ abortSignal: AbortSignal.timeout(timeoutMs) })

  async function publicAddress(): Promise<string> {
    const command = new GetPublicKeyCommand({ KeyId: keyId })
    const answer = await client.send(command, limit()).catch((error: unknown) => {
      throw unavailable('give the public key', error, timeoutMs)
    })
    return addressOfSpki(answer.PublicKey ?? new Uint8Array())
  }

  const address = options.address === undefined ? await publicAddress() : getAddress(options.address)
  return {
    address,
    async signTransaction(unsigned) {
      const transaction = Transaction.from({ ...unsigned, value: 0n })
      const digest = transaction.unsignedHash
      const command = new SignCommand({
        KeyId: keyId,
        Message: getBytes(digest),
        MessageType: 'DIGEST',
        SigningAlgorithm: 'ECDSA_SHA_256',
      })
      const answer = await client.send(command, limit()).catch((error: unknown) => {
        throw unavailable('sign', error, timeoutMs)
      })
      const numbers = lowSignatureOfDer(answer.Signature ?? new Uint8Array())
      const signature = numbers && signatureBy((each) => recoverAddress(digest, each), numbers, address)
      if (signature === null) {
        throw new HoldfastError(
          'SIGNER_FAULT',
          `AWS KMS returned a signature that is not by ${address}. Nothing was sent; check the key's id and address.`,
        )
      }
      transaction.signature = signature
      return transaction.serialized
    },
  }
}

async function loadSdk(): Promise<typeof import('@aws-sdk/client-kms')> {
  // The lockfile pins an SDK that runs on this Node; its notice about later versions is no business of an operator's.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
  try {
    return await import('@aws-sdk/client-kms')
  } catch (cause) {
    throw new HoldfastError(
      'INVALID_CONFIG',
      'The signer awsKms needs the package @aws-sdk/client-kms, which is not installed. Install with optional dependencies.',
      { cause },
    )
  }
}

/** The error's name says what is wrong (AccessDeniedException, …); its other fields hold the request and are left out. */
function unavailable(what: string, error: unknown, timeoutMs: number): HoldfastError {
  const { name, code } = error as { name?: string; code?: unknown }
  const why =
    name === 'AbortError' || name === 'TimeoutError'
      ? `nothing within ${timeoutMs} ms`
      : name === undefined || name === 'Error'
        ? String(code ?? 'failed')
        : name
  return new HoldfastError('SIGNER_UNAVAILABLE', `AWS KMS does not ${what}: ${why}.`, { retryAfter: 5 })
}
