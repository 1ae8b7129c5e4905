import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SigningKey } from 'ethers'

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
/** SubjectPublicKeyInfo of an uncompressed secp256k1 point, up to the point. */
const SPKI_HEAD = Buffer.from('3056301006072a8648ce3d020106052b8104000a034200', 'hex')

export type FakeKms = {
  url: string
  /** Names of the calls so far. */
  calls: string[]
  /** Another key than the one it says it has. */
  signWith(privateKey: string): void
  /** Refuses every call from now on with this error type. */
  refuseWith(type: string | null): void
  close(): Promise<void>
}

/** The two calls of AWS KMS over its HTTP API, with a real key; every other signature has s in the upper half. */
export async function startFakeKms(privateKey: string): Promise<FakeKms> {
  let key = new SigningKey(privateKey)
  const point = Buffer.from(key.publicKey.slice(2), 'hex')
  const calls: string[] = []
  let refusal: string | null = null
  let signatures = 0
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = JSON.parse(Buffer.concat(chunks).toString())
    const call = String(request.headers['x-amz-target']).replace('TrentService.', '')
    calls.push(call)
    const answer = (status: number, value: object) => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' })
      response.end(JSON.stringify(value))
    }
    if (refusal !== null) return answer(400, { __type: refusal, message: 'refused by the test' })
    if (call === 'GetPublicKey') {
      return answer(200, {
        KeyId: body.KeyId,
        KeySpec: 'ECC_SECG_P256K1',
        KeyUsage: 'SIGN_VERIFY',
        PublicKey: Buffer.concat([SPKI_HEAD, point]).toString('base64'),
      })
    }
    if (call !== 'Sign' || body.MessageType !== 'DIGEST' || body.SigningAlgorithm !== 'ECDSA_SHA_256') {
      return answer(400, { __type: 'ValidationException', message: 'not as expected' })
    }
    const { r, s } = key.sign(`0x${Buffer.from(body.Message, 'base64').toString('hex')}`)
    signatures += 1
    const low = BigInt(s)
    const der = derOf(BigInt(r), signatures % 2 === 1 ? ORDER - low : low)
    answer(200, { KeyId: body.KeyId, Signature: der.toString('base64') })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    signWith(other) {
      key = new SigningKey(other)
    },
    refuseWith(type) {
      refusal = type
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export function derOf(r: bigint, s: bigint): Buffer {
  const body = Buffer.concat([integer(r), integer(s)])
  return Buffer.concat([Buffer.from([0x30, body.length]), body])
}

function integer(value: bigint): Buffer {
  const digits = value.toString(16)
  const bytes = Buffer.from(digits.length % 2 ? `0${digits}` : digits, 'hex')
  const positive = bytes[0]! >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes
  return Buffer.concat([Buffer.from([0x02, positive.length]), positive])
}
