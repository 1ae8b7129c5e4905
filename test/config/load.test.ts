import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ENVIRONMENT } from '../../src/config/environment.ts'
import { loadConfig, loadDatabaseUrl, parseConfig } from '../../src/config/load.ts'
import { describeConfig, describeRpcUrl, readPrivateKey, secretsOf } from '../../src/config/secrets.ts'
import type { ChainConfig } from '../../src/core/chain-config.ts'
import { HoldfastError } from '../../src/core/errors.ts'

const KEY = 'ab'.repeat(32)
const minimal = {
  DATABASE_URL: 'postgres://holdfast:s3cret-word@localhost:5432/holdfast',
  HOLDFAST_CHAIN_ID: '31337',
  HOLDFAST_RPC_URL: 'http://127.0.0.1:8545',
  HOLDFAST_PRIVATE_KEY: KEY,
}

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-config-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function file(text: string, name = 'holdfast.json'): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

function faultsOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(HoldfastError)
    expect((error as HoldfastError).code).toBe('INVALID_CONFIG')
    return (error as HoldfastError).message
  }
  throw new Error('expected INVALID_CONFIG')
}

describe('loadConfig', () => {
  it('needs nothing but a database, a chain id, an RPC URL and a key', () => {
    const config = loadConfig(minimal)
    expect(config.http).toEqual({
      host: '127.0.0.1',
      port: 8080,
      bodyLimitBytes: 33_554_432,
      recordLimitBytes: 262_144,
      requestTimeoutMs: 300_000,
    })
    expect(config.chains[0]).toMatchObject({ chainId: 31337, mode: 'storage', cron: '*/10 * * * *' })
    const chain: ChainConfig = config.chains[0]!
    expect(chain.rpcUrls).toEqual(['http://127.0.0.1:8545'])
  })

  it('lays the file over the defaults and the environment over both', () => {
    const path = file(`{
      // comments are allowed
      "http": { "port": 9000, "host": "0.0.0.0" },
      "seal": { "maxAgeMs": 250 },
    }`)
    const config = loadConfig({ ...minimal, HOLDFAST_CONFIG: path, HOLDFAST_HTTP_PORT: '9001' })
    expect(config.http).toMatchObject({ host: '0.0.0.0', port: 9001 })
    expect(config.seal.maxAgeMs).toBe(250)
  })

  it('is frozen to the last leaf', () => {
    const config = loadConfig(minimal)
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return
      expect(Object.isFrozen(value)).toBe(true)
      Object.values(value).forEach(walk)
    }
    walk(config)
  })

  it('lists every fault at once, with its place and what would be right', () => {
    const path = file(
      JSON.stringify({
        htpp: {},
        http: { prt: 1 },
        seal: { maxLeaves: 0 },
        chains: [{ chainId: 1, rpcUrls: ['ftp://x'], cron: '61 * * * *', mode: 'maybe' }],
      }),
    )
    const text = faultsOf(() => loadConfig({ HOLDFAST_CONFIG: path, HOLDFAST_HTTP_PORT: '80a' }))
    expect(text).toContain('faults:')
    expect(text).toContain('  htpp: unknown setting; did you mean http?')
    expect(text).toContain('  http.prt: unknown setting; did you mean port?')
    expect(text).toContain('  http.port (HOLDFAST_HTTP_PORT): expected a number, got "80a"')
    expect(text).toContain('  seal.maxLeaves: expected at least 1, got 0')
    expect(text).toContain('  database.url (DATABASE_URL): expected a string, but it is missing')
    expect(text).toContain('  chains[0].rpcUrls[0]: expected an http:// or https:// URL')
    expect(text).toContain('  chains[0].cron: expected a cron expression such as')
    expect(text).toContain('  chains[0].mode: expected one of "storage", "event", got "maybe"')
    expect(text).toContain('  chains[0].signer (HOLDFAST_PRIVATE_KEY, HOLDFAST_PRIVATE_KEY_FILE,')
  })

  it('says where a file is not JSON, and that a file is missing', () => {
    expect(faultsOf(() => loadConfig({ ...minimal, HOLDFAST_CONFIG: file('{\n  "http": }') }))).toContain(
      'not valid JSON at line 2, column 11',
    )
    expect(
      faultsOf(() => loadConfig({ ...minimal, HOLDFAST_CONFIG: join(folder, 'absent.json') })),
    ).toContain('absent.json: cannot be read: ENOENT')
  })

  it('refuses a schedule that never fires', () => {
    expect(faultsOf(() => loadConfig({ ...minimal, HOLDFAST_CRON: '0 0 30 2 *' }))).toContain(
      'chains[0].cron (HOLDFAST_CRON): expected a cron expression',
    )
  })

  it.each(ENVIRONMENT.filter(({ kind }) => kind === 'number' || kind === 'flag').map(({ name }) => name))(
    'names %s beside the setting when its value is at fault',
    (name) => {
      const text = faultsOf(() => loadConfig({ ...minimal, [name]: 'many' }))
      expect(text).toMatch(new RegExp(`^ {2}\\S+ \\(${name}\\): expected .*, got "many"$`, 'm'))
    },
  )

  it('asks for a database alone where no chain is needed', () => {
    expect(loadDatabaseUrl({ DATABASE_URL: minimal.DATABASE_URL })).toBe(minimal.DATABASE_URL)
    expect(faultsOf(() => loadDatabaseUrl({}))).toBe(
      'The configuration has 1 fault:\n  database.url (DATABASE_URL): expected a string, but it is missing',
    )
    expect(faultsOf(() => loadDatabaseUrl({ DATABASE_URL: 'mysql://x' }))).toContain('(DATABASE_URL)')
  })

  it('asks for a chain when there is none', () => {
    expect(faultsOf(() => loadConfig({ DATABASE_URL: minimal.DATABASE_URL }))).toContain(
      '  chains (HOLDFAST_CHAIN_ID, HOLDFAST_RPC_URL and a signer): expected at least 1 item',
    )
  })

  it('refuses one chain twice, and a chain variable when there are several chains', () => {
    const chain = {
      chainId: 5,
      rpcUrls: ['http://a'],
      signer: { type: 'privateKey', env: 'HOLDFAST_PRIVATE_KEY' },
    }
    const base = { database: { url: minimal.DATABASE_URL } }
    expect(
      faultsOf(() => parseConfig({ ...base, chains: [chain, chain] }, { HOLDFAST_PRIVATE_KEY: '' })),
    ).toContain('chains[1].chainId: chain 5 is already chains[0]')
    expect(
      faultsOf(() =>
        parseConfig({ ...base, chains: [chain, { ...chain, chainId: 6 }] }, { HOLDFAST_RPC_URL: 'http://b' }),
      ),
    ).toContain('HOLDFAST_RPC_URL: cannot say which of 2 chains it is for')
  })

  it('notices a misspelt variable and lets a stranger be', () => {
    expect(faultsOf(() => loadConfig({ ...minimal, HOLDFAST_HTPP_PORT: '1' }))).toContain(
      'HOLDFAST_HTPP_PORT: unknown environment variable; did you mean HOLDFAST_HTTP_PORT?',
    )
    expect(() =>
      loadConfig({ ...minimal, HOLDFAST_SERVICE_HOST: '10.0.0.1', HOLDFAST_PORT_8080_TCP: 'tcp://x' }),
    ).not.toThrow()
  })

  it('never fails in another way, whatever the environment holds', () => {
    const names = [
      'DATABASE_URL',
      'HOLDFAST_RPC_URL',
      'HOLDFAST_CHAIN_ID',
      'HOLDFAST_CRON',
      'HOLDFAST_HTTP_PORT',
    ]
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.string()), (env) => {
        try {
          loadConfig({ ...minimal, ...env })
        } catch (error) {
          expect((error as HoldfastError).code).toBe('INVALID_CONFIG')
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('secrets', () => {
  it('reads the signing key from a variable or a file', () => {
    expect(readPrivateKey({ type: 'privateKey', env: 'K' }, { K: `0x${KEY.toUpperCase()}\n` })).toBe(
      `0x${KEY}`,
    )
    const path = file(`${KEY}\n`, 'key')
    const config = loadConfig({ ...minimal, HOLDFAST_PRIVATE_KEY: '', HOLDFAST_PRIVATE_KEY_FILE: path })
    expect(config.chains[0]!.signer).toEqual({ type: 'privateKey', file: path })
    expect(readPrivateKey({ type: 'privateKey', file: path }, {})).toBe(`0x${KEY}`)
  })

  it('reports a missing or malformed key at start, without showing it', () => {
    const bad = `${KEY}ff`
    const text = faultsOf(() => loadConfig({ ...minimal, HOLDFAST_PRIVATE_KEY: bad }))
    expect(text).toContain(
      'chains[0].signer (HOLDFAST_PRIVATE_KEY): Environment variable HOLDFAST_PRIVATE_KEY',
    )
    expect(text).not.toContain(KEY)
    expect(
      faultsOf(() =>
        loadConfig({ ...minimal, HOLDFAST_PRIVATE_KEY: '', HOLDFAST_PRIVATE_KEY_FILE: join(folder, 'no') }),
      ),
    ).toContain('cannot be read')
    expect(faultsOf(() => loadConfig({ ...minimal, HOLDFAST_PRIVATE_KEY_FILE: 'x' }))).toContain(
      'set one of them',
    )
  })

  it('shows no password, key or gateway token when a configuration is described', () => {
    const config = loadConfig({
      ...minimal,
      HOLDFAST_RPC_URL: 'https://mainnet.example/v3/0123456789abcdef0123, https://user:hunter2@b.example',
    })
    const text = JSON.stringify(describeConfig(config))
    for (const secret of ['s3cret-word', '0123456789abcdef0123', 'hunter2', KEY])
      expect(text).not.toContain(secret)
    expect(text).toContain('postgres://holdfast:[redacted]@localhost:5432/holdfast')
    expect(text).toContain('https://mainnet.example/[redacted]')
    expect(describeRpcUrl('http://127.0.0.1:8545')).toBe('http://127.0.0.1:8545')
    expect(secretsOf(config, minimal)).toEqual(
      expect.arrayContaining(['s3cret-word', '0123456789abcdef0123', 'hunter2', KEY]),
    )
  })

  it('shows no secret in a fault either', () => {
    const text = faultsOf(() =>
      loadConfig({ ...minimal, DATABASE_URL: 'mysql://a:s3cret-word@b/c', HOLDFAST_CRON: '' }),
    )
    expect(text).toContain('database.url (DATABASE_URL): expected postgres://')
    expect(text).not.toContain('s3cret-word')
  })
})

describe('config/default.json', () => {
  it('is plain JSON', () => {
    const text = readFileSync(new URL('../../config/default.json', import.meta.url), 'utf8')
    expect(JSON.parse(text)).toMatchObject({ http: { port: 8080 } })
  })
})
