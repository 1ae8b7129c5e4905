import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Postgres, startPostgres } from '../../src/dev/postgres.ts'
import { serverAccount } from '../../src/dev/postgres-binaries.ts'
import { openDatabase } from '../../src/store/connection/database.ts'
import { databaseFailure } from '../../src/store/connection/failures.ts'
import { createServed, digest, type Served } from '../e2e/served.ts'
import { createAuthority, issueCertificate } from '../support/certificates.ts'
import { runHoldfast } from '../support/process.ts'

let folder: string
let postgres: Postgres
let served: Served | undefined
let plain: Postgres
const file = (name: string) => join(folder, name)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-tls-'))
  chmodSync(folder, 0o755)
  const authority = createAuthority(folder, 'ca')
  createAuthority(folder, 'other-ca')
  issueCertificate(folder, authority, { name: 'here', alternatives: 'DNS:localhost,IP:127.0.0.1' })
  issueCertificate(folder, authority, { name: 'elsewhere', alternatives: 'DNS:db.example' })
  issueCertificate(folder, authority, { name: 'reader' })
  const servers = ['one', 'two'].map((name) => startPostgres({ dataDir: file(name), persistent: false }))
  ;[postgres, plain] = (await Promise.all(servers)) as [Postgres, Postgres]
  const admin = new pg.Client(postgres.url)
  await admin.connect()
  await admin.query('create role reader login')
  await admin.end()
  const hba = join(postgres.dataDir, 'pg_hba.conf')
  writeFileSync(hba, `hostssl all reader all cert\nhost all reader all reject\n${readFileSync(hba, 'utf8')}`)
  appendFileSync(join(postgres.dataDir, 'postgresql.conf'), "ssl_ca_file = 'ca.pem'\n")
  copyFileSync(authority.caFile, join(postgres.dataDir, 'ca.pem'))
  chmodSync(join(postgres.dataDir, 'ca.pem'), 0o644)
  await present('here')
})
afterAll(async () => {
  await served?.close()
  await Promise.all([postgres?.stop(), plain?.stop()])
  rmSync(folder, { recursive: true, force: true })
})

/** Has the server show this certificate from now on. */
async function present(name: string): Promise<void> {
  const account = serverAccount()
  for (const [from, to] of [
    [`${name}.crt`, 'server.crt'],
    [`${name}.key`, 'server.key'],
  ] as const) {
    const target = join(postgres.dataDir, to)
    copyFileSync(file(from), target)
    chmodSync(target, 0o600)
    if (account !== null) chownSync(target, account.uid, account.gid)
  }
  const admin = new pg.Client(postgres.url)
  await admin.connect()
  await admin.query('alter system set ssl = on')
  await admin.query('select pg_reload_conf()')
  await admin.end()
}

function urlOf(parameters: Record<string, string>, host = '127.0.0.1', server = postgres): string {
  const url = new URL(server.url)
  url.hostname = host
  for (const [name, value] of Object.entries(parameters)) {
    url.searchParams.set(
      name,
      value.endsWith('.pem') || (name.startsWith('ssl') && /\.(crt|key)$/.test(value)) ? file(value) : value,
    )
  }
  return url.href
}

/** Whether the session is encrypted, or why there is none. */
async function sessionOf(url: string): Promise<'encrypted' | 'plain' | string> {
  const { pool, close } = openDatabase({ url, poolSize: 1, name: 'test' })
  try {
    const { rows } = await pool.query<{ ssl: boolean }>(
      'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
    )
    return rows[0]!.ssl ? 'encrypted' : 'plain'
  } catch (error) {
    return `${databaseFailure(error)?.kind}: ${(error as Error).message}`
  } finally {
    await close()
  }
}

describe('sslmode', () => {
  const ca = { sslrootcert: 'ca.pem' }
  const other = { sslrootcert: 'other-ca.pem' }
  it.each([
    ['here', {}, '127.0.0.1', /^plain$/],
    ['here', { sslmode: 'disable' }, '127.0.0.1', /^plain$/],
    ['here', { sslmode: 'prefer' }, '127.0.0.1', /^encrypted$/],
    ['here', { sslmode: 'require' }, '127.0.0.1', /^encrypted$/],
    ['elsewhere', { sslmode: 'require' }, '127.0.0.1', /^encrypted$/],
    ['here', { sslmode: 'require', ...other }, '127.0.0.1', /^configuration: /],
    ['here', { sslmode: 'verify-ca', ...ca }, '127.0.0.1', /^encrypted$/],
    ['elsewhere', { sslmode: 'verify-ca', ...ca }, '127.0.0.1', /^encrypted$/],
    ['here', { sslmode: 'verify-ca', ...other }, '127.0.0.1', /^configuration: /],
    ['here', { sslmode: 'verify-full', ...ca }, '127.0.0.1', /^encrypted$/],
    ['here', { sslmode: 'verify-full', ...ca }, 'localhost', /^encrypted$/],
    ['elsewhere', { sslmode: 'verify-full', ...ca }, '127.0.0.1', /^configuration: .*IP: 127\.0\.0\.1/],
    ['elsewhere', { sslmode: 'verify-full', ...ca }, 'localhost', /^configuration: .*localhost/],
    ['here', { sslmode: 'verify-full', ...other }, '127.0.0.1', /^configuration: /],
    ['here', { sslmode: 'verify-full' }, '127.0.0.1', /^configuration: /],
    ['here', { sslmode: 'verify-full', sslrootcert: 'system' }, '127.0.0.1', /^configuration: /],
  ] as const)('certificate for %s, %j, host %s', async (certificate, parameters, host, outcome) => {
    await present(certificate)
    expect(await sessionOf(urlOf(parameters, host))).toMatch(outcome)
  })

  it.each(['prefer', 'require', 'verify-full'])('%s never falls back to plain text', async (sslmode) => {
    expect(await sessionOf(urlOf({ sslmode }, '127.0.0.1', plain))).toMatch(/^configuration: .*SSL/)
  })

  it('takes a client certificate, which is all that some roles need', async () => {
    await present('here')
    const withReader = (parameters: Record<string, string>) => {
      const url = new URL(urlOf({ sslmode: 'verify-full', ...ca, ...parameters }))
      url.username = 'reader'
      url.password = ''
      return url.href
    }
    expect(await sessionOf(withReader({ sslcert: 'reader.crt', sslkey: 'reader.key' }))).toBe('encrypted')
    expect(await sessionOf(withReader({}))).toMatch(/^configuration: /)
  })

  it.each([
    [{ sslmode: 'allow' }, /^DATABASE_URL: sslmode=allow is not one of disable, prefer, require, verify-ca/],
    [{ sslmode: 'verify-ca' }, /^DATABASE_URL: .*sslrootcert/],
    [
      { sslmode: 'verify-full', sslrootcert: 'missing.pem' },
      /^DATABASE_URL: \/.*missing\.pem cannot be read: ENOENT\.$/,
    ],
  ])('%j is refused in words', async (parameters, words) => {
    expect(() => openDatabase({ url: urlOf(parameters), poolSize: 1, name: 'test' })).toThrow(words)
  })
})

it('the whole story runs over verify-full, and a wrong authority is a sentence everywhere', async () => {
  await present('here')
  const url = urlOf({ sslmode: 'verify-full', sslrootcert: 'ca.pem' })
  expect(await runHoldfast(['migrate'], { env: { DATABASE_URL: url } }).exit()).toMatchObject({ code: 0 })
  served = await createServed({ databaseUrl: url })
  const { run, client } = await served.start()
  await client.push(digest(1))
  await client.waitFor(digest(1), 'anchored', { deadlineMs: 30_000, pollMs: 100 })
  const admin = new pg.Client(postgres.url)
  await admin.connect()
  const { rows } = await admin.query<{ ssl: boolean }>(
    `select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name like 'holdfast-%'`,
  )
  expect(rows).toEqual([{ ssl: true }])
  await admin.end()
  run.kill('SIGTERM')
  expect(await run.exit()).toEqual({ code: 0, signal: null })

  const env = { ...served.env, DATABASE_URL: urlOf({ sslmode: 'verify-full', sslrootcert: 'other-ca.pem' }) }
  const serve = runHoldfast(['serve'], { env })
  expect((await serve.exit()).code).toBe(75)
  expect(serve.stderr()).toMatch(
    /^DATABASE_UNAVAILABLE: The database .* refuses: .*certificate.*See DATABASE_URL\.\n$/,
  )
  const keys = runHoldfast(['keys', 'list'], { env })
  expect((await keys.exit()).code).toBe(78)
  expect(keys.stderr()).toMatch(/^INVALID_CONFIG: The database .* refuses: .*certificate.*\n$/)
  const doctor = runHoldfast(['doctor'], { env })
  expect((await doctor.exit()).code).toBe(1)
  expect(doctor.stdout()).toMatch(/^fail {2}database: .*certificate/m)
  const missing = runHoldfast(['doctor'], { env: { ...env, DATABASE_URL: urlOf({ sslmode: 'allow' }) } })
  expect((await missing.exit()).code).toBe(1)
  expect(missing.stdout()).toMatch(/^fail {2}configuration: DATABASE_URL: sslmode=allow/m)
}, 120_000)
