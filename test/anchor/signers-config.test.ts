import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { encryptKeystoreJson } from 'ethers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSigner } from '../../src/anchor/signers/open.ts'
import { loadConfig, parseConfig } from '../../src/config/load.ts'
import { describeConfig, readSigner, secretsOf } from '../../src/config/secrets.ts'
import { DEV_ACCOUNTS } from '../support/anvil.ts'

const [{ address, privateKey }] = DEV_ACCOUNTS
const PASSPHRASE = 'correct horse battery staple'
const base = {
  DATABASE_URL: 'postgres://localhost/holdfast',
  HOLDFAST_CHAIN_ID: '31337',
  HOLDFAST_RPC_URL: 'http://127.0.0.1:8545',
}
const pem = (name: string) => fileURLToPath(new URL(`support/tls/${name}`, import.meta.url))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-signers-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const keystore = async () =>
  file(
    'keystore.json',
    await encryptKeystoreJson({ address, privateKey }, PASSPHRASE, { scrypt: { N: 1024 } }),
  )

/** The configuration's complaint, which must hold no secret. */
function faults(env: Record<string, string>, signer?: object): string {
  const chain = { chainId: 1, rpcUrls: ['http://a'], signer }
  try {
    if (signer === undefined) loadConfig({ ...base, ...env })
    else parseConfig({ database: { url: base.DATABASE_URL }, chains: [chain] }, env)
  } catch (error) {
    const { message } = error as Error
    expect(message).not.toContain(PASSPHRASE)
    return message
  }
  throw new Error('expected a fault')
}

describe('the signer of a configuration', () => {
  it('is an encrypted keystore by variables, its passphrase from a variable or a file', async () => {
    const places = [
      { HOLDFAST_KEYSTORE_PASSPHRASE: PASSPHRASE },
      { HOLDFAST_KEYSTORE_PASSPHRASE_FILE: file('passphrase', `${PASSPHRASE}\n`) },
    ]
    for (const place of places) {
      const env = { ...base, HOLDFAST_KEYSTORE_FILE: await keystore(), ...place }
      const config = loadConfig(env)
      expect((await createSigner(readSigner(config.chains[0]!.signer, env))).address).toBe(address)
      expect(JSON.stringify(describeConfig(config))).not.toContain(PASSPHRASE)
      expect(secretsOf(config, env)).toContain(PASSPHRASE)
    }
  })

  it('is a remote service by variables, whose password is never shown', async () => {
    const env = {
      ...base,
      HOLDFAST_SIGNER_URL: 'https://me:hunter22@signer.example/0123456789abcdef0123',
      HOLDFAST_SIGNER_ADDRESS: address.toLowerCase(),
    }
    const config = loadConfig(env)
    expect((await createSigner(readSigner(config.chains[0]!.signer, env))).address).toBe(address)
    const shown = JSON.stringify(describeConfig(config))
    for (const secret of ['hunter22', '0123456789abcdef0123']) {
      expect(shown).not.toContain(secret)
      expect(secretsOf(config, env)).toContain(secret)
    }
  })

  it('is a key in aws kms by variables, and not asked for where its address is given', async () => {
    const env = { ...base, HOLDFAST_KMS_KEY_ID: 'alias/holdfast', HOLDFAST_SIGNER_ADDRESS: address }
    const { signer } = loadConfig(env).chains[0]!
    expect(signer).toEqual({ type: 'awsKms', keyId: 'alias/holdfast', address })
    expect((await createSigner(readSigner(signer, env))).address).toBe(address)
  })

  it('is refused at start, with its place, when something of it is missing or wrong', async () => {
    const path = await keystore()
    expect(faults({}, { type: 'ledger' })).toContain(
      'chains[0].signer.type: expected one of "privateKey", "keystore", "remote", "awsKms"',
    )
    expect(faults({}, { type: 'remote', url: 'https://a', address, caFil: 'x' })).toContain(
      'chains[0].signer.caFil: unknown setting; did you mean caFile?',
    )
    expect(faults({}, { type: 'keystore', file: path })).toContain('expected exactly one of passphraseEnv')
    expect(faults({}, { type: 'keystore', file: path, passphraseEnv: 'ABSENT' })).toContain(
      'ABSENT is not set',
    )
    expect(
      faults({ P: PASSPHRASE }, { type: 'keystore', file: file('k', 'x'), passphraseEnv: 'P' }),
    ).toContain('is not a keystore')
    expect(faults({ HOLDFAST_KEYSTORE_FILE: path, HOLDFAST_PRIVATE_KEY: privateKey })).toContain(
      'set together with HOLDFAST_KEYSTORE_FILE; set one of them',
    )
    expect(faults({ HOLDFAST_SIGNER_URL: 'https://a' })).toContain('signer.address')
  })

  it('is refused when certificate and key do not belong together', () => {
    const remote = { type: 'remote', url: 'https://a', address, certFile: pem('client.pem') }
    expect(faults({}, remote)).toContain('certFile and keyFile together')
    expect(faults({}, { ...remote, keyFile: pem('server.key') })).toContain('not usable PEM')
    expect(faults({}, { ...remote, keyFile: join(folder, 'absent') })).toContain('cannot be read')
  })
})
