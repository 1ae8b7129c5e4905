import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HoldfastClient } from 'holdfast-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startLittleServer } from '../../clients/typescript/test/support/little-server.ts'
import { recordHash } from '../../src/core/record-hash.ts'
import { createServed, digest, type Served } from '../e2e/served.ts'
import { type ChildRun, runHoldfast } from '../support/process.ts'
import { until } from '../support/wait.ts'

let served: Served
let folder: string
let url: string
let client: HoldfastClient
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'))
  served = await createServed()
  ;({ url, client } = await served.start())
})
afterAll(async () => {
  await served.close()
  rmSync(folder, { recursive: true, force: true })
})

type Ended = { code: number | null; stdout: string; stderr: string }

async function ended(run: ChildRun): Promise<Ended> {
  const { code } = await run.exit()
  return { code, stdout: run.stdout(), stderr: run.stderr() }
}

function holdfast(args: string[], options: { input?: string; env?: Record<string, string> } = {}) {
  const env = { HOLDFAST_URL: url, HOLDFAST_API_KEY: served.apiKey, ...served.env, ...options.env }
  const run = runHoldfast(args, { cwd: folder, env })
  if (options.input !== undefined) run.feed(options.input)
  return ended(run)
}

function file(name: string, content: string): string {
  writeFileSync(join(folder, name), content)
  return name
}

const hex = (n: number) => digest(n).toString('hex')
const sealed = (hash: Buffer) => until(() => client.record(hash), { what: 'the record' })

describe('holdfast push', () => {
  it('stores the hashes of files, hex or NDJSON a line', async () => {
    const lines = `${hex(1)}\n0x${hex(2).toUpperCase()}\n\n`
    const items = `"${hex(3)}"\n{"hash":"${hex(4)}"}\n{"record":{"n":5}}\n`
    const { code, stdout, stderr } = await holdfast(['push', file('a.txt', lines), file('b.ndjson', items)])
    expect(stdout).toMatch(/^5 hashes stored, to be anchored by 20\d\d-.*Z\.\n$/)
    expect([code, stderr]).toEqual([0, ''])
    for (const hash of [digest(1), digest(2), digest(3), digest(4), recordHash({ n: 5 })]) await sealed(hash)
  })

  it('reads standard input', async () => {
    const { code, stdout } = await holdfast(['push', '-'], { input: `${hex(10)}\n${hex(11)}` })
    expect([code, stdout.slice(0, 16)]).toEqual([0, '2 hashes stored,'])
    await sealed(digest(11))
  })

  it('hashes the records of --records here', async () => {
    const records = file('records.ndjson', '{"b":1,"a":"ü"}\n"text"\n')
    expect(await holdfast(['push', '--records', records])).toMatchObject({ code: 0 })
    for (const record of [{ a: 'ü', b: 1 }, 'text']) await sealed(recordHash(record))
  })

  it('hashes the documents of --files, and prints each hash as sha256sum does', async () => {
    const names = [file('one.pdf', 'first document'), file('two.pdf', 'second document')]
    const sha = (text: string) => createHash('sha256').update(text).digest()
    const [first, second] = [sha('first document'), sha('second document')]
    const { code, stdout } = await holdfast(['push', '--files', ...names])
    expect(stdout).toContain(`${first.toString('hex')}  one.pdf\n${second.toString('hex')}  two.pdf\n`)
    expect(stdout).toMatch(/2 hashes stored, .*\n$/)
    expect(code).toBe(0)
    await sealed(second)
  })

  it('names the file and the line of a fault, and counts what is stored of all files', async () => {
    const good = file('good.txt', `${hex(20)}\n${hex(21)}\n`)
    const bad = file('bad.txt', `${hex(22)}\nnonsense\n${hex(23)}\n`)
    const { code, stderr } = await holdfast(['push', good, bad])
    expect(stderr).toMatch(/^INVALID_HASH \(line 2\): bad\.txt: .*\n3 hashes before it are stored\.\n$/)
    expect(code).toBe(65)
  })

  it.each([
    [
      'a line of sha256sum',
      `${hex(1)}  a.pdf`,
      'this is a line of sha256sum, whose first column is the hash.',
    ],
    ['a binary line of sha256sum', `${hex(1)} *a.pdf`, 'this is a line of sha256sum'],
    ['short hex', hex(1).slice(2), 'A hash is 32 bytes (64 hex digits), got 62 digits.'],
    ['long hex', `0x${hex(1)}00`, 'got 66 digits'],
    ['words', 'invoice 7', 'Character "i" at position 0 is not a hex digit'],
    ['a digit', 'a', 'got 1 digit.'],
  ])('explains %s as the API does', async (_name, line, why) => {
    const { code, stdout, stderr } = await holdfast(['push', '-'], { input: `${line}\n` })
    expect(stderr).toContain(`INVALID_HASH (line 1): standard input: `)
    expect(stderr).toContain(why)
    expect(stderr).toContain('Nothing was stored.\n')
    expect([code, stdout]).toEqual([65, ''])
  })

  it('says 1 hash of one', async () => {
    expect((await holdfast(['push', '-'], { input: hex(60) })).stdout).toMatch(/^1 hash stored, /)
    const bad = file('one-then-bad.txt', `${hex(61)}\nnonsense\n`)
    expect((await holdfast(['push', bad])).stderr).toContain('\n1 hash before it is stored.\n')
    expect((await holdfast(['push', file('empty.txt', '')])).stdout).toBe('0 hashes stored.\n')
  })

  it('prints the hash of each record of --records, with its place', async () => {
    const records = file('placed.ndjson', '{"n":1}\n\n{"n":2}\n')
    const { stdout } = await holdfast(['push', '--records', records, '-'], { input: '"third"' })
    const hash = (record: unknown) => recordHash(record).toString('hex')
    expect(stdout.split('\n').slice(0, 3)).toEqual([
      `${hash({ n: 1 })}  placed.ndjson:1`,
      `${hash({ n: 2 })}  placed.ndjson:3`,
      `${hash('third')}  -:1`,
    ])
    expect(stdout).toMatch(/\n3 hashes stored, /)
  })

  it('hashes standard input as a document', async () => {
    const { stdout } = await holdfast(['push', '--files', '-'], { input: 'streamed document' })
    const expected = createHash('sha256').update('streamed document').digest('hex')
    expect(stdout).toMatch(new RegExp(`^${expected}  -\\n1 hash stored, `))
  })

  it.each([
    ['a missing file', ['fine.pdf', 'missing.pdf'], 66, 'missing.pdf cannot be read: there is no such file.'],
    ['a folder', ['fine.pdf', '.'], 66, '. cannot be read: it is a directory; name the files in it.'],
    ['standard input twice', ['fine.pdf', '-', '-'], 64, 'Standard input (-) can be read once'],
  ])('does nothing at all when there is %s among the files', async (_name, names, status, why) => {
    file('fine.pdf', `fine for ${status} ${why}`)
    for (const flags of [['--files'], ['--records'], []]) {
      const { code, stdout, stderr } = await holdfast(['push', ...flags, ...names])
      expect([code, stdout]).toEqual([status, ''])
      expect(stderr).toContain(why)
    }
    const content = createHash('sha256').update(`fine for ${status} ${why}`).digest()
    expect(await client.record(content)).toBeNull()
  })

  it('prints no hash that the daemon did not store', async () => {
    const full = await startLittleServer(() => ({
      status: 413,
      json: { code: 'PAYLOAD_TOO_LARGE', detail: 'no' },
    }))
    try {
      const name = file('refused.pdf', 'refused')
      const { code, stdout } = await holdfast(['push', '--files', name], { env: { HOLDFAST_URL: full.url } })
      expect([code, stdout]).toEqual([65, ''])
    } finally {
      await full.close()
    }
  })

  it('refuses flags that contradict each other', async () => {
    const { code, stderr } = await holdfast(['push', '--records', '--files', 'a.txt'])
    expect([code, stderr]).toEqual([
      64,
      expect.stringMatching(/'--(records|files)' cannot be used with option/),
    ])
  })

  it('escapes what a terminal would obey in file names', async () => {
    const name = file('in\u001b[31mvoice\n\u202e7.pdf', 'hostile name')
    const shown = 'in\\u001b[31mvoice\\n\\u202e7.pdf'
    expect((await holdfast(['push', '--files', name])).stdout.split('\n')[0]).toMatch(
      new RegExp(`^[0-9a-f]{64}  ${shown.replaceAll(/[\\[]/g, '\\$&')}$`),
    )
    const bad = await holdfast(['push', name])
    expect(bad.stderr).toContain(`INVALID_HASH (line 1): ${shown}: `)
    const missing = await holdfast(['push', `${name}x`])
    expect(missing.stderr).toContain(`${shown}x cannot be read`)
    for (const text of [bad.stderr, missing.stderr])
      expect(text).toBe(text.replaceAll(/\p{Cc}(?<!\n)|\p{Bidi_Control}/gu, ''))
  })

  it('lends the key that `holdfast dev` left to a daemon on this machine only', async () => {
    mkdirSync(join(folder, '.holdfast'), { recursive: true })
    writeFileSync(join(folder, '.holdfast/api-key'), `${served.apiKey}\n`)
    const without = { HOLDFAST_API_KEY: '' }
    expect(await holdfast(['push', '-'], { input: hex(30), env: without })).toMatchObject({ code: 0 })
    const elsewhere = await startLittleServer(() => ({ status: 401, json: { code: 'UNAUTHORIZED' } }))
    try {
      // Every name but those of the loopback counts as another machine; this one leads back here all the same.
      const { port } = new URL(elsewhere.url)
      await holdfast(['push', '-'], {
        input: hex(31),
        env: { ...without, HOLDFAST_URL: `http://0.0.0.0:${port}` },
      })
      expect(elsewhere.seen.map(({ headers }) => headers.authorization)).toEqual([undefined])
    } finally {
      await elsewhere.close()
    }
  })
})

describe('holdfast receipt, verify and status', { timeout: 60_000 }, () => {
  it('fetch a receipt, find it valid wherever --rpc stands, and tell how the daemon is doing', async () => {
    await client.push(digest(40))
    await sealed(digest(40))
    const { code, stdout } = await holdfast(['receipt', hex(40), '--wait', '20'])
    expect(code).toBe(0)
    const receipt = file('receipt.json', stdout)
    const { url: rpc } = served.anvil
    for (const args of [
      ['--rpc', rpc, receipt],
      [receipt, '--rpc', rpc],
      ['--rpc', 'http://127.0.0.1:9', '--rpc', rpc, receipt],
    ]) {
      const verified = await holdfast(['verify', ...args])
      expect(verified.stdout).toMatch(
        new RegExp(`\nVALID: 0x${hex(40)} existed by .* on eip155:31337, .*\\.\n$`),
      )
      expect(verified.code).toBe(0)
    }
    const status = await holdfast(['status'])
    expect(status.stdout).toMatch(/^to seal +\d+ hashes.*\nsealed +\d+ hashes in \d+ batches\n/)
    expect(status.stdout).toMatch(/eip155:31337 {2}as 0x.*\n(.*\n)* {2}last +anchor \d+, (mined|finalized)/)
    expect(JSON.parse((await holdfast(['status', '--json'])).stdout)).toMatchObject({
      chains: [{ chainId: 'eip155:31337' }],
    })
  })

  it('wait for the receipt of a hash, wherever --wait stands', async () => {
    await client.push(digest(41))
    for (const args of [
      ['--wait', hex(41)],
      ['--wait', '30', hex(41)],
      ['--wait=30', hex(41)],
      [hex(41), '--wait'],
    ]) {
      const { code, stdout, stderr } = await holdfast(['receipt', ...args])
      expect(JSON.parse(stdout)).toMatchObject({ format: 'holdfast-receipt/1', hash: `0x${hex(41)}` })
      expect([code, stderr]).toEqual([
        0,
        expect.stringMatching(/^Waiting for the receipt, up to (30|300) s\.\n$/),
      ])
    }
    for (const [args, status] of [
      [['--wait', 'soon', hex(41)], 64],
      [['--wait', '0', hex(41)], 64],
      [['--wait', '60'], 64],
      [['--wait'], 64],
      [[], 64],
      [['--wait', hex(41).slice(1)], 65],
    ] as const) {
      expect((await holdfast(['receipt', ...args])).code).toBe(status)
    }
  })

  it('say that no daemon is there, and how to reach another', async () => {
    for (const command of [['status'], ['receipt', hex(1)]]) {
      const { code, stderr } = await holdfast(command, { env: { HOLDFAST_URL: 'http://127.0.0.1:1' } })
      expect(stderr).toMatch(/^UNREACHABLE: No answer from http:\/\/127\.0\.0\.1:1: .*\nStart a daemon there/)
      expect(code).toBe(75)
    }
  })

  it('say that a hash is unknown', async () => {
    const { code, stderr } = await holdfast(['receipt', hex(999)])
    expect([code, stderr]).toEqual([69, expect.stringMatching(/^UNKNOWN_RECORD: /)])
  })
})

describe('holdfast keys', { timeout: 60_000 }, () => {
  it('are made with a scope each time that --scope is given, listed, and revoked', async () => {
    const made = await holdfast(['keys', 'create', '--scope', 'audit', '--scope', 'ingest', 'plant 7'])
    expect(made.stdout).toMatch(/^hf_\S{43}\n$/)
    expect(made.stderr).toContain('Key of plant 7 (ingest, audit)')
    expect((await holdfast(['keys', 'create', 'plant 8'])).stderr).toContain('(ingest)')
    expect((await holdfast(['keys', 'list'])).stdout).toMatch(
      /plant 7\tingest,audit\tcreated \S+Z\tactive\nplant 8\tingest\t/,
    )
    const key = made.stdout.trim()
    const push = () => holdfast(['push', '-'], { input: hex(50), env: { HOLDFAST_API_KEY: key } })
    expect((await push()).code).toBe(0)
    expect((await holdfast(['keys', 'revoke', 'plant 7'])).stdout).toContain('Revoked plant 7')
    expect((await holdfast(['keys', 'list'])).stdout).toMatch(/plant 7\t.*\trevoked \S+Z\n/)
    await until(async () => (await push()).stderr.startsWith('UNAUTHORIZED'), { what: 'the refusal' })
    expect((await holdfast(['keys', 'revoke', 'plant 7'])).stderr).toContain(
      'No active key is named "plant 7"',
    )
  })
})

describe('commands on a database that is away', () => {
  it.each([[['migrate']], [['keys', 'list']]])('say so in one line, without a password: %s', async (args) => {
    const env = { DATABASE_URL: 'postgres://someone:secret@127.0.0.1:9/holdfast' }
    const { code, stderr } = await holdfast(args, { env })
    expect(stderr).toMatch(
      /^DATABASE_UNAVAILABLE: The database holdfast at 127\.0\.0\.1:9 cannot be reached: .*\n$/,
    )
    expect(stderr).not.toContain('secret')
    expect(code).toBe(75)
  })

  it('or that has another name say that', async () => {
    const there = new URL(served.database.url)
    there.pathname = '/nowhere'
    const { code, stderr } = await holdfast(['migrate'], { env: { DATABASE_URL: there.href } })
    expect(stderr).toMatch(/^INVALID_CONFIG: The database nowhere at .* refuses: .*does not exist.*\n$/)
    expect(code).toBe(78)
  })

  it('or that refuses the password, or is not migrated, say that, without a stack', async () => {
    const there = new URL(served.database.url)
    there.password = 'mistyped'
    const refused = await holdfast(['keys', 'create', 'x'], { env: { DATABASE_URL: there.href } })
    expect(refused.stderr).toMatch(
      /^INVALID_CONFIG: The database .* refuses: password authentication failed.*\n$/,
    )
    expect(refused.stderr).not.toContain('mistyped')
    expect(refused.code).toBe(78)

    const empty = new URL(served.database.url)
    empty.pathname = '/template1'
    for (const args of [
      ['keys', 'create', 'x'],
      ['keys', 'list'],
      ['keys', 'revoke', 'x'],
      ['anchors', 'list'],
    ]) {
      const { code, stderr } = await holdfast(args, { env: { DATABASE_URL: empty.href } })
      expect(stderr).toMatch(
        /^INVALID_CONFIG: The database template1 .* is not migrated .*`holdfast migrate`.*\n$/,
      )
      expect(code).toBe(78)
    }
  })
})
