import { readFileSync } from 'node:fs'
import { createServer as createTlsServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { encryptKeystoreJson, SigningKey, Transaction } from 'ethers'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { kmsSigner } from '../../src/anchor/signers/aws-kms.ts'
import { lowSignatureOfDer } from '../../src/anchor/signers/ecdsa.ts'
import { keystoreSigner } from '../../src/anchor/signers/keystore.ts'
import { remoteSigner } from '../../src/anchor/signers/remote.ts'
import {
  privateKeySigner,
  type Signer,
  signChecked,
  type UnsignedTransaction,
} from '../../src/anchor/signers/signer.ts'
import { toHex } from '../../src/core/hash.ts'
import { DEV_ACCOUNTS } from '../support/anvil.ts'
import { until } from '../support/wait.ts'
import { derOf, type FakeKms, startFakeKms } from './support/fake-kms.ts'
import { type FaultProxy, startFaultProxy } from './support/fault-proxy.ts'
import { createStage, PUBLISHER, type Stage } from './support/harness.ts'

const STRANGER = DEV_ACCOUNTS[1]
const PASSPHRASE = 'correct horse battery staple'
const PASSWORD = 'url-password-123'
const DIGITS = PUBLISHER.privateKey.slice(2)
const AWS = { AWS_ACCESS_KEY_ID: 'AKIATESTTESTTEST', AWS_SECRET_ACCESS_KEY: 'aws-secret-0123456789' }

const unsigned: UnsignedTransaction = {
  chainId: 31337,
  nonce: 7,
  to: STRANGER.address,
  data: '0x1234',
  gasLimit: 50_000,
  type: 2,
  maxFeePerGas: 3_000_000_000n,
  maxPriorityFeePerGas: 1_000_000_000n,
}

let stage: Stage
const closing: (() => Promise<unknown>)[] = []
const warnings: string[] = []
process.on('warning', ({ message }) => warnings.push(message))
beforeEach(async () => {
  Object.assign(process.env, AWS)
  stage = await createStage()
})
afterEach(async () => {
  await stage.close()
  for (const close of closing.splice(0)) await close()
  for (const name of Object.keys(AWS)) delete process.env[name]
})

async function expectAnchors(signer: Signer): Promise<void> {
  expect(signer.address).toBe(PUBLISHER.address)
  const anchorer = await stage.anchorer({ signer })
  // Twice, because every other signature of the fake KMS has s in the upper half.
  for (const count of [1, 2]) {
    await stage.seal()
    await anchorer.tick()
    const mined = await stage.untilAnchor(
      'a mined anchor',
      ({ id, state }) => id === count && state === 'mined',
    )
    expect(await stage.rootsOnChain()).toHaveProperty('size', count)
    expect((await stage.rootsOnChain()).get(toHex(mined.root))).toBe(1)
  }
  expectNoSecret(stage.logger.entries)
}

/** The anchorer must neither store nor send anything, and log why: an error with this code, whose message is returned. */
async function expectNothingSent(signer: Signer, code: string): Promise<string> {
  await stage.seal()
  const anchorer = await stage.anchorer({ signer })
  await anchorer.tick().catch(expectNoSecret)
  const error = await until(
    () =>
      stage.logger.entries
        .map(({ fields }) => (fields as { err?: Error & { code?: string } }).err)
        .find((err) => err?.code === code),
    { what: `an error ${code} in the log` },
  )
  const status = await until(() => (anchorer.status().reason === 'stuck' ? anchorer.status() : null), {
    what: 'a reason in the status',
  })
  expect(status.detail).toBe(error.message)
  expectNoSecret([stage.logger.entries, status])
  expect(await stage.attempts()).toEqual([])
  expect(await stage.rootsOnChain()).toEqual(new Map())
  expect(await stage.anvil.rpc('eth_getTransactionCount', [PUBLISHER.address, 'pending'])).toBe('0x0')
  return error.message
}

function expectNoSecret(value: unknown): void {
  const text = inspect(value, { depth: 12, maxStringLength: null, showHidden: true })
  for (const secret of [DIGITS, PASSPHRASE, PASSWORD, AWS.AWS_SECRET_ACCESS_KEY])
    expect(text).not.toContain(secret)
}

async function remote(rule?: FaultProxy['rule'], timeoutMs = 5_000): Promise<Signer> {
  const proxy = await startFaultProxy(stage.anvil.url)
  if (rule) proxy.rule = rule
  closing.push(proxy.close)
  const url = proxy.url.replace('//', `//holdfast:${PASSWORD}@`)
  return remoteSigner({ url, address: PUBLISHER.address.toLowerCase(), timeoutMs })
}

async function kms(): Promise<FakeKms> {
  const fake = await startFakeKms(PUBLISHER.privateKey)
  closing.push(fake.close)
  return fake
}

/** With less work than usual behind the passphrase. */
function keystore(): Promise<string> {
  const { address, privateKey } = PUBLISHER
  return encryptKeystoreJson({ address, privateKey }, PASSPHRASE, { scrypt: { N: 1024 } })
}

const kmsOptions = (fake: FakeKms) => ({
  keyId: 'alias/holdfast',
  region: 'eu-central-1',
  endpoint: fake.url,
  timeoutMs: 5_000,
})

/** The transaction as somebody else would have signed it. */
function altered(change: object, key: string = PUBLISHER.privateKey): string {
  const transaction = Transaction.from({ ...unsigned, value: 0n, ...change })
  transaction.signature = new SigningKey(key).sign(transaction.unsignedHash)
  return transaction.serialized
}

describe('a signer anchors for real', () => {
  it('with an encrypted keystore', async () => {
    const json = await keystore()
    await expectAnchors(await keystoreSigner({ json, passphrase: PASSPHRASE }))
  })

  it('with a remote service', async () => {
    await expectAnchors(await remote())
  })

  it('with aws kms, which is asked once for the public key', async () => {
    const fake = await kms()
    await expectAnchors(await kmsSigner(kmsOptions(fake)))
    expect(fake.calls).toEqual(['GetPublicKey', 'Sign', 'Sign'])
  })

  it('with aws kms and a known address, without asking for the public key', async () => {
    const fake = await kms()
    await expectAnchors(await kmsSigner({ ...kmsOptions(fake), address: PUBLISHER.address }))
    expect(fake.calls).toEqual(['Sign', 'Sign'])
  })
})

describe('a keystore', () => {
  it('is refused with a wrong passphrase, when damaged, or when it is none', async () => {
    const json = await keystore()
    const cases = [
      [json, `${PASSPHRASE}!`, /passphrase does not open/],
      [json.replace('scrypt', 'bcrypt'), PASSPHRASE, /damaged/],
      ['{}', PASSPHRASE, /not an encrypted JSON keystore/],
    ] as const
    for (const [text, passphrase, message] of cases) {
      const error = await keystoreSigner({ json: text, passphrase }).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'INVALID_CONFIG', message: expect.stringMatching(message) })
      expectNoSecret(error)
    }
  })
})

describe('a remote service', () => {
  const signs = (result: unknown): FaultProxy['rule'] => {
    return ({ method }) => (method === 'eth_signTransaction' ? { kind: 'result', result } : undefined)
  }

  it.each([
    ['another sender', () => altered({}, STRANGER.privateKey), /another sender/],
    ['another nonce', () => altered({ nonce: 99 }), /another nonce/],
    ['garbage', () => '0xdeadbeef', /not a signed transaction/],
    ['a number', () => 5, /not a signed transaction/],
  ])('that returns %s is refused, and nothing is sent', async (_, result, message) => {
    const raw = result()
    const error = await signChecked(await remote(signs(raw)), unsigned).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'SIGNER_FAULT', message: expect.stringMatching(message) })
    await expectNothingSent(await remote(signs(raw)), 'SIGNER_FAULT')
  })

  it.each([
    ['type', { type: 1, gasPrice: 3n, maxFeePerGas: null, maxPriorityFeePerGas: null }],
    ['chain id', { chainId: 1 }],
    ['recipient', { to: DEV_ACCOUNTS[2].address }],
    ['value', { value: 1n }],
    ['data', { data: '0x1235' }],
    ['gas limit', { gasLimit: 50_001 }],
    ['fee cap', { maxFeePerGas: 3_000_000_001n }],
    ['tip', { maxPriorityFeePerGas: 1n }],
    ['access list', { accessList: [{ address: STRANGER.address, storageKeys: [] }] }],
  ])('that returns a transaction with another %s is refused', async (field, change) => {
    const { to, ...rest } = unsigned
    const asked = { ...rest, to }
    const error = await signChecked(await remote(signs(altered(change))), asked).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({
      code: 'SIGNER_FAULT',
      message: expect.stringContaining(`another ${field}`),
    })
  })

  it('that hangs is given up after its time, and nothing is sent', async () => {
    const message = await expectNothingSent(await remote(() => ({ kind: 'hang' }), 300), 'SIGNER_UNAVAILABLE')
    expect(message).toContain('no answer within 300 ms')
  })

  it.each([
    ['refuses', { kind: 'error', code: -32000, message: 'account is locked' }, /account is locked/],
    ['breaks off', { kind: 'drop_reply' }, /does not answer/],
    ['is overloaded', { kind: 'http', status: 503 }, /HTTP 503/],
  ] as const)('that %s is asked again later, and then anchors', async (_, fault, reason) => {
    let broken = true
    const signer = await remote(() => (broken ? fault : undefined))
    expect(await expectNothingSent(signer, 'SIGNER_UNAVAILABLE')).toMatch(reason)
    broken = false
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    expect(await stage.attempts()).toHaveLength(1)
  })

  it('signs for a chain without EIP-1559 too', async () => {
    const {
      maxFeePerGas: _cap,
      maxPriorityFeePerGas: _tip,
      ...rest
    } = unsigned as never as Record<string, unknown>
    const legacy = { ...rest, type: 0, gasPrice: 2_000_000_000n } as UnsignedTransaction
    const { raw } = await signChecked(await remote(), legacy)
    expect(raw).toEqual((await signChecked(privateKeySigner(PUBLISHER.privateKey), legacy)).raw)
  })

  it('is known by its certificate, and knows us by ours', async () => {
    const pem = (name: string) => readFileSync(new URL(`support/tls/${name}`, import.meta.url), 'utf8')
    const server: Server = createTlsServer(
      { cert: pem('server.pem'), key: pem('server.key'), ca: pem('ca.pem'), requestCert: true },
      async (request, response) => {
        const chunks: Buffer[] = []
        for await (const chunk of request) chunks.push(chunk as Buffer)
        const headers = { 'content-type': 'application/json' }
        const answer = await fetch(stage.anvil.url, { method: 'POST', headers, body: Buffer.concat(chunks) })
        response.end(await answer.text())
      },
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closing.push(() => new Promise((resolve) => server.close(resolve)))
    const { port } = server.address() as AddressInfo
    const common = { url: `https://127.0.0.1:${port}`, address: PUBLISHER.address, timeoutMs: 5_000 }
    const ours = { cert: pem('client.pem'), key: pem('client.key') }

    const { raw } = await signChecked(remoteSigner({ ...common, ...ours, ca: pem('ca.pem') }), unsigned)
    expect(Transaction.from(toHex(raw)).from).toBe(PUBLISHER.address)
    for (const options of [{ ca: pem('ca.pem') }, ours]) {
      const error = await signChecked(remoteSigner({ ...common, ...options }), unsigned).catch(
        (e: unknown) => e,
      )
      expect(error).toMatchObject({ code: 'SIGNER_UNAVAILABLE' })
    }
  })
})

describe('aws kms', () => {
  it('that signs with another key is refused, and nothing is sent', async () => {
    const fake = await kms()
    const signer = await kmsSigner(kmsOptions(fake))
    fake.signWith(STRANGER.privateKey)
    await expectNothingSent(signer, 'SIGNER_FAULT')
  })

  it('that refuses is asked again later, and then anchors', async () => {
    const fake = await kms()
    const signer = await kmsSigner(kmsOptions(fake))
    fake.refuseWith('AccessDeniedException')
    expect(await expectNothingSent(signer, 'SIGNER_UNAVAILABLE')).toContain('AccessDeniedException')
    fake.refuseWith(null)
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
  })

  it('that cannot give the public key says so at start', async () => {
    const fake = await kms()
    fake.refuseWith('NotFoundException')
    await expect(kmsSigner(kmsOptions(fake))).rejects.toMatchObject({ code: 'SIGNER_UNAVAILABLE' })
  })

  it('brings no warning of its own about the version of Node', async () => {
    const fake = await kms()
    await kmsSigner(kmsOptions(fake))
    expect(warnings.filter((message) => message.includes('NodeVersionSupport'))).toEqual([])
  })
})

describe('a signature in DER', () => {
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const scalar = fc.bigInt({ min: 1n, max: order - 1n })

  it('keeps r, and s or its complement, whichever is low', () => {
    fc.assert(
      fc.property(scalar, scalar, (r, s) => {
        const found = lowSignatureOfDer(derOf(r, s))!
        expect(BigInt(found.r)).toBe(r)
        expect([s, order - s]).toContain(BigInt(found.s))
        expect(BigInt(found.s) <= order / 2n).toBe(true)
      }),
    )
  })

  it('is refused when cut short, prolonged, or out of range', () => {
    const der = derOf(5n, 6n)
    for (const length of der.keys()) expect(lowSignatureOfDer(der.subarray(0, length))).toBeNull()
    expect(lowSignatureOfDer(Buffer.concat([der, Buffer.from([0])]))).toBeNull()
    expect(lowSignatureOfDer(derOf(order, 6n))).toBeNull()
    expect(lowSignatureOfDer(derOf(5n, 0n))).toBeNull()
  })
})
