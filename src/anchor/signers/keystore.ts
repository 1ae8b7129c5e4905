import { isKeystoreJson, Wallet } from 'ethers'
import { HoldfastError } from '../../core/errors.ts'
import { privateKeySigner, type Signer } from './signer.ts'

/**
 * The key of an encrypted JSON keystore (Web3 Secret Storage, version 3, as geth and others write it). It is decrypted
 * once, which takes about a second by design, and held in memory.
 * @throws HoldfastError INVALID_CONFIG, which repeats neither file nor passphrase
 */
export async function keystoreSigner(options: { json: string; passphrase: string }): Promise<Signer> {
  if (!isKeystoreJson(options.json)) {
    throw new HoldfastError('INVALID_CONFIG', 'The keystore is not an encrypted JSON keystore of version 3.')
  }
  let key: string
  try {
    key = (await Wallet.fromEncryptedJson(options.json, options.passphrase)).privateKey
  } catch (error) {
    const wrong = (error as { argument?: unknown }).argument === 'password'
    throw new HoldfastError(
      'INVALID_CONFIG',
      wrong
        ? 'The passphrase does not open the keystore.'
        : 'The keystore is damaged, or made in a way that is not known here.',
    )
  }
  return privateKeySigner(key)
}
