import { Transaction, Wallet } from 'ethers'
import { HoldfastError } from '../../core/errors.ts'
import type { Hex } from '../../core/hash.ts'

/** Everything that is signed; nothing else may come back. Fees in wei. */
export type UnsignedTransaction = {
  chainId: number
  nonce: number
  to: string
  data: Hex
  gasLimit: number
} & ({ type: 2; maxFeePerGas: bigint; maxPriorityFeePerGas: bigint } | { type: 0; gasPrice: bigint })

/** Where the key is. It signs, and holds no state that matters: nonces are the database's. */
export type Signer = {
  /** EIP-55. */
  address: string
  /** The signed transaction's bytes as hex, not sent anywhere. */
  signTransaction(unsigned: UnsignedTransaction): Promise<string>
}

/**
 * A key held in memory.
 * @param key 32 bytes as hex, with or without 0x
 * @throws HoldfastError INVALID_CONFIG, which never repeats the key
 */
export function privateKeySigner(key: string): Signer {
  const digits = key.trim().replace(/^0x/i, '')
  let wallet: Wallet
  try {
    wallet = new Wallet(`0x${digits}`)
  } catch {
    throw new HoldfastError(
      'INVALID_CONFIG',
      `The private key is not one: expected 64 hex digits, got ${digits.length} characters.`,
    )
  }
  return {
    address: wallet.address,
    signTransaction: (unsigned) => wallet.signTransaction({ ...unsigned, value: 0n }),
  }
}

export type SignedTransaction = { raw: Buffer; hash: Buffer }

/**
 * Signs, then reads back what came: sender and every field must be what was asked for, whoever holds the key.
 * @throws HoldfastError SIGNER_FAULT naming the field that differs, never what stood in it; what the signer throws
 */
export async function signChecked(signer: Signer, unsigned: UnsignedTransaction): Promise<SignedTransaction> {
  const text = await signer.signTransaction(unsigned)
  const signed = parse(text)
  const differs = (
    [
      ['sender', signed.from, signer.address],
      ['type', signed.type, unsigned.type],
      ['chain id', signed.chainId, BigInt(unsigned.chainId)],
      ['nonce', signed.nonce, unsigned.nonce],
      ['recipient', signed.to?.toLowerCase(), unsigned.to.toLowerCase()],
      ['value', signed.value, 0n],
      ['data', signed.data.toLowerCase(), unsigned.data.toLowerCase()],
      ['gas limit', signed.gasLimit, BigInt(unsigned.gasLimit)],
      ['gas price', signed.gasPrice, unsigned.type === 0 ? unsigned.gasPrice : null],
      ['fee cap', signed.maxFeePerGas, unsigned.type === 2 ? unsigned.maxFeePerGas : null],
      ['tip', signed.maxPriorityFeePerGas, unsigned.type === 2 ? unsigned.maxPriorityFeePerGas : null],
      ['access list', signed.accessList?.length ?? 0, 0],
    ] as const
  ).find(([, got, asked]) => got !== asked)
  if (differs !== undefined || signed.hash === null) {
    throw new HoldfastError(
      'SIGNER_FAULT',
      `The signer of ${signer.address} returned a transaction with another ${differs?.[0] ?? 'hash'}. Nothing was sent.`,
    )
  }
  // The canonical form of what was read, and not the text: whatever follows a transaction's bytes must not be sent.
  return {
    raw: Buffer.from(signed.serialized.slice(2), 'hex'),
    hash: Buffer.from(signed.hash.slice(2), 'hex'),
  }

  function parse(answer: string): Transaction {
    try {
      return Transaction.from(answer)
    } catch {
      // The cause would repeat the answer, which may be anything.
      const detail = `The signer of ${signer.address} returned something that is not a signed transaction. Nothing was sent.`
      throw new HoldfastError('SIGNER_FAULT', detail)
    }
  }
}
