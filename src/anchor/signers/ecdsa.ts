import { createPublicKey } from 'node:crypto'
import { computeAddress, Signature } from 'ethers'
import { HoldfastError } from '../../core/errors.ts'

/** Order of the group of secp256k1 (SEC 2, 2.4.1). */
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/**
 * The account of a public key.
 * @param spki DER of a SubjectPublicKeyInfo (RFC 5480)
 * @throws HoldfastError INVALID_CONFIG when it is not a key on secp256k1
 */
export function addressOfSpki(spki: Uint8Array): string {
  let jwk: { crv?: string; x?: string; y?: string }
  try {
    jwk = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }).export({ format: 'jwk' })
  } catch (cause) {
    throw new HoldfastError('INVALID_CONFIG', 'The public key cannot be read.', { cause })
  }
  const { crv, x, y } = jwk
  if (crv !== 'secp256k1' || x === undefined || y === undefined) {
    throw new HoldfastError(
      'INVALID_CONFIG',
      'The key is not on the curve secp256k1; in AWS KMS, make one with key spec ECC_SECG_P256K1 and usage SIGN_VERIFY.',
    )
  }
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
  return computeAddress(`0x${point.toString('hex')}`)
}

/** The two numbers of an ECDSA signature in DER (RFC 3279, 2.2.3), s brought to the lower half (EIP-2). Null for anything else. */
export function lowSignatureOfDer(der: Uint8Array): { r: string; s: string } | null {
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return null
  const r = integerAt(der, 2)
  if (r === null) return null
  const s = integerAt(der, r.end)
  if (s === null || s.end !== der.length) return null
  return { r: word(r.value), s: word(s.value > ORDER / 2n ? ORDER - s.value : s.value) }
}

function integerAt(der: Uint8Array, at: number): { value: bigint; end: number } | null {
  const length = der[at + 1]
  if (der[at] !== 0x02 || length === undefined || length === 0 || length > 33) return null
  const end = at + 2 + length
  const bytes = Buffer.from(der.subarray(at + 2, end))
  if (bytes.length !== length || bytes[0]! >= 0x80) return null
  const value = BigInt(`0x${bytes.toString('hex')}`)
  return value === 0n || value >= ORDER ? null : { value, end }
}

function word(value: bigint): string {
  return `0x${value.toString(16).padStart(64, '0')}`
}

/** The signature with the parity by which it is the account's; null when by neither. */
export function signatureBy(
  recover: (signature: Signature) => string,
  { r, s }: { r: string; s: string },
  address: string,
): Signature | null {
  for (const yParity of [0, 1] as const) {
    const signature = Signature.from({ r, s, yParity })
    if (recover(signature) === address) return signature
  }
  return null
}
