/** A signer behind JSON-RPC, as Web3Signer and Clef-like services offer it: the key is never here. */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { getAddress } from 'ethers'
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
  let lastId = 0
  return {
    address,
    async signTransaction(unsigned) {
      const id = ++lastId
      const params = [parametersOf(address, unsigned)]
      const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'eth_signTransaction', params })
      const { status, text } = await post(options, body).catch((error: unknown) => {
        throw unavailable(`The remote signer at ${host} does not answer: ${reasonOf(error, options)}.`)
      })
      return rawOf(host, id, status, text)
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

/** Web3Signer answers with the bytes, geth's family with `{raw, tx}`. */
function rawOf(host: string, id: number, status: number, text: string): string {
  const answer = parse(text)
  const error = answer?.error as { code?: unknown; message?: unknown } | null | undefined
  if (typeof error === 'object' && error !== null) {
    const said = typeof error.message === 'string' ? error.message.slice(0, MAX_MESSAGE) : 'no reason given'
    throw unavailable(`The remote signer at ${host} refuses to sign: ${said} (${String(error.code)}).`)
  }
  if (status < 200 || status > 299) throw unavailable(`The remote signer at ${host} answered HTTP ${status}.`)
  const result = answer?.id === id ? answer.result : undefined
  const raw = typeof result === 'object' && result !== null ? (result as { raw?: unknown }).raw : result
  if (typeof raw === 'string' && /^0x([0-9a-fA-F]{2})+$/.test(raw)) return raw
  throw new HoldfastError(
    'SIGNER_FAULT',
    `The remote signer at ${host} returned something that is not a signed transaction. Nothing was sent.`,
  )
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** Not through fetch, which cannot be given certificates. */
function post(options: RemoteSignerOptions, body: string): Promise<{ status: number; text: string }> {
  const { url, authorization } = splitCredentials(options.url)
  const { ca, cert, key } = options
  const signal = AbortSignal.timeout(options.timeoutMs)
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
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
        if (size > MAX_ANSWER_BYTES) request.destroy(new Error('its answer is too long'))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
      )
    })
    request.end(body)
  })
}

function splitCredentials(text: string): { url: URL; authorization: string | null } {
  const url = new URL(text)
  if (url.username === '' && url.password === '') return { url, authorization: null }
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  url.username = ''
  url.password = ''
  return { url, authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}

/** Codes and OpenSSL's reasons; never a URL or a header. */
function reasonOf(error: unknown, options: RemoteSignerOptions): string {
  const { name, code, message } = error as { name?: string; code?: unknown; message?: string }
  if (name === 'AbortError' || name === 'TimeoutError') return `nothing within ${options.timeoutMs} ms`
  return typeof code === 'string' ? code : (message ?? 'failed')
}

/** No cause is attached: what network libraries hang on their errors is not ours to log. */
function unavailable(detail: string): HoldfastError {
  return new HoldfastError('SIGNER_UNAVAILABLE', detail, { retryAfter: 5 })
}

function quantity(value: number | bigint): string {
  return `0x${value.toString(16)}`
}
