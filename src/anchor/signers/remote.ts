/** A signer behind JSON-RPC, as Web3Signer and Clef-like services offer it: the key is never here. */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { getAddress } from 'ethers'
import { createJsonRpc, RpcAnswerError, RpcTransportError } from 'holdfast-client/json-rpc'
import { AnswerTooLongError, splitCredentials, type Transport } from 'holdfast-client/rpc-transport'
import { HoldfastError } from '../../core/errors.ts'
import type { Signer, UnsignedTransaction } from './signer.ts'

export type RemoteSignerOptions = {
  /** http or https. User and password in it become a Basic header. */
  url: string
  /** The account that signs, in any letter case. */
  address: string
  /** PEM of the authorities that the server's certificate is checked with, instead of the system's. */
  ca?: string | undefined
  /** PEM of the certificate and key with which this side shows who it is. */
  cert?: string | undefined
  key?: string | undefined
  /** From the first byte sent to the last received. */
  timeoutMs: number
}

/** Far more than a signed transaction of ours is long. */
const MAX_ANSWER_BYTES = 256 * 1024
const MAX_MESSAGE = 200

/**
 * Signs by `eth_signTransaction`. The server is not asked for anything before the first signature, so it may be away
 * at start.
 * @throws HoldfastError INVALID_CONFIG for TLS material that is none. Signing throws SIGNER_UNAVAILABLE (retry) when
 *   the server does not answer in time or refuses, SIGNER_FAULT when it answers with something else
 */
export function remoteSigner(options: RemoteSignerOptions): Signer {
  const address = getAddress(options.address)
  const { host } = new URL(options.url)
  const rpc = createJsonRpc({
    transport: tlsTransport(options),
    timeoutMs: options.timeoutMs,
    maxAnswerBytes: MAX_ANSWER_BYTES,
  })
  return {
    address,
    async signTransaction(unsigned) {
      const params = [parametersOf(address, unsigned)]
      const result = await rpc.call('eth_signTransaction', params).catch((error: unknown) => {
        throw signingFault(host, error)
      })
      return rawOf(host, result)
    },
  }
}

function parametersOf(from: string, unsigned: UnsignedTransaction): Record<string, string> {
  const common = {
    from,
    to: unsigned.to,
    gas: quantity(unsigned.gasLimit),
    value: '0x0',
    data: unsigned.data,
    nonce: quantity(unsigned.nonce),
    chainId: quantity(unsigned.chainId),
  }
  return unsigned.type === 0
    ? { ...common, gasPrice: quantity(unsigned.gasPrice) }
    : {
        ...common,
        maxFeePerGas: quantity(unsigned.maxFeePerGas),
        maxPriorityFeePerGas: quantity(unsigned.maxPriorityFeePerGas),
      }
}

/** No cause is attached: what network libraries hang on their errors is not ours to log. */
function signingFault(host: string, error: unknown): HoldfastError {
  const said = error instanceof Error ? error.message : String(error)
  const unavailable = (detail: string) => new HoldfastError('SIGNER_UNAVAILABLE', detail, { retryAfter: 5 })
  if (error instanceof RpcAnswerError) {
    return unavailable(
      `The remote signer at ${host} refuses to sign: ${said.slice(0, MAX_MESSAGE)} (${error.code}).`,
    )
  }
  if (!(error instanceof RpcTransportError) || error.status === null) {
    return unavailable(`The remote signer at ${host} does not answer: ${said}.`)
  }
  if (error.status < 200 || error.status > 299) return unavailable(`The remote signer at ${host} ${said}.`)
  return notSigned(host)
}

/** Web3Signer answers with the bytes, geth's family with `{raw, tx}`. */
function rawOf(host: string, result: unknown): string {
  const raw = typeof result === 'object' && result !== null ? (result as { raw?: unknown }).raw : result
  if (typeof raw === 'string' && /^0x([0-9a-fA-F]{2})+$/.test(raw)) return raw
  throw notSigned(host)
}

function notSigned(host: string): HoldfastError {
  return new HoldfastError(
    'SIGNER_FAULT',
    `The remote signer at ${host} returned something that is not a signed transaction. Nothing was sent.`,
  )
}

/** Not through fetch, which cannot be given certificates. */
function tlsTransport({ url: rpcUrl, ca, cert, key }: RemoteSignerOptions): Transport {
  const { url, authorization } = splitCredentials(rpcUrl)
  const post = url.startsWith('https:') ? httpsRequest : httpRequest
  return (body, { signal, maxBytes }) =>
    new Promise((resolve, reject) => {
      const request = post(url, {
        method: 'POST',
        signal,
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          ...(authorization === null ? {} : { authorization }),
        },
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      })
      request.on('error', reject)
      request.on('response', (response) => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > maxBytes) request.destroy(new AnswerTooLongError('its answer is too long'))
          else chunks.push(chunk)
        })
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            retryAfter: response.headers['retry-after'] ?? null,
            text: new TextDecoder().decode(Buffer.concat(chunks)),
          }),
        )
      })
      request.end(body)
    })
}

function quantity(value: number | bigint): string {
  return `0x${value.toString(16)}`
}
