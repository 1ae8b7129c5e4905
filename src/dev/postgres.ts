/**
 * A real PostgreSQL server for development and tests, from npm's binaries, with nothing to install. In: a folder.
 * Out: a connection URL and `stop`. The server is started and stopped by us directly, so that signals stay ours.
 */
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { HoldfastError } from '../core/errors.ts'
import type { Logger } from '../core/ports.ts'
import { assertPortFree, findFreePort } from './ports.ts'
import {
  type Account,
  findPostgresBinaries,
  isReachableByOthers,
  type PostgresBinaries,
  reachableFolder,
  serverAccount,
} from './postgres-binaries.ts'
import {
  assertNotOwned,
  identify,
  logTail,
  readClaim,
  removeClaim,
  type ServerProcess,
  type StopStep,
  spawnServer,
  stopProcess,
  writeClaim,
} from './processes.ts'

export type Postgres = {
  /** `postgres://holdfast:<password>@127.0.0.1:<port>/holdfast` */
  url: string
  port: number
  pid: number
  /** Where the data really is: as root it may have to lie outside the clone. */
  dataDir: string
  /** Resolves when the server is gone, wanted or not, with a few words on how it ended. */
  exited: Promise<string>
  /** Fast shutdown (open transactions are rolled back), harder after a deadline; no process is left. */
  stop(): Promise<void>
}

const USER = 'holdfast'
const DATABASE = 'holdfast'
const READY_WITHIN_MS = 60_000
const PASSWORD_FILE = 'holdfast.password'

/** SIGINT: fast shutdown. SIGQUIT: immediate, recovery at the next start. */
const STOP: readonly StopStep[] = [
  { signal: 'SIGINT', withinMs: 15_000 },
  { signal: 'SIGQUIT', withinMs: 5_000 },
  { signal: 'SIGKILL', withinMs: 5_000 },
]

/**
 * Starts PostgreSQL on 127.0.0.1 with its data in `dataDir`, creating it the first time: UTF-8, locale C, one
 * superuser with a generated password (kept in the data folder), and a database `holdfast`. A server that an earlier
 * run left behind on the same data is stopped first.
 *
 * As root the server runs as `postgres` or `nobody`. Where that user cannot reach `dataDir`, the data lies under
 * /var/lib/holdfast-dev (or the temporary folder) and a text file `<dataDir>.location.txt` says where.
 *
 * @param port default: a free one
 * @param choosePort for the message when the port is taken: how the user picks another
 * @param persistent false: the data is deleted by `stop`
 * @param outside a folder for what another user must reach, instead of /var/lib/holdfast-dev
 * @param settings PostgreSQL settings, by name, on top of the server's defaults
 * @throws INVALID_CONFIG port taken, folder in use by another process, data of another PostgreSQL version
 * @throws DATABASE_UNAVAILABLE the server did not come up; the message has the end of its log
 */
export async function startPostgres(options: {
  dataDir: string
  persistent: boolean
  port?: number | undefined
  choosePort?: string
  outside?: string
  logger?: Logger
  settings?: Readonly<Record<string, string>>
}): Promise<Postgres> {
  const asked = resolve(options.dataDir)
  const claimFile = `${asked}.claim.json`
  mkdirSync(dirname(asked), { recursive: true })

  const claim = readClaim(claimFile)
  assertNotOwned(claim, asked)
  const account = serverAccount()
  const binaries = findPostgresBinaries(account, options.outside)
  const dataDir = await placeData(asked, account, options)
  await stopLeftover(dataDir, options.logger)
  if (options.port !== undefined) {
    await assertPortFree(options.port, 'PostgreSQL', options.choosePort ?? 'the port option')
  }
  writeClaim(claimFile, null, null)
  if (!existsSync(join(dataDir, 'PG_VERSION'))) createData(dataDir, binaries, account, options.persistent)
  assertVersion(dataDir, binaries.major)
  const password = readFileSync(join(dataDir, PASSWORD_FILE), 'utf8').trim()

  const logFile = `${asked}.log`
  const { server, port } = await launch({ ...options, dataDir, binaries, account, logFile })
  writeClaim(claimFile, server.pid, port)
  options.logger?.debug({ pid: server.pid, port, dataDir }, 'PostgreSQL is up')

  return {
    url: `postgres://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`,
    port,
    pid: server.pid,
    dataDir,
    exited: server.exited,
    async stop() {
      await server.stop(STOP)
      removeClaim(claimFile)
      if (!options.persistent) {
        for (const path of [dataDir, logFile, `${asked}.location.txt`]) {
          rmSync(path, { recursive: true, force: true })
        }
      }
    },
  }
}

/**
 * Where the data goes; as root, a folder that the server's account can reach. Without its note beside `asked`, data
 * found there is a deleted clone's, and goes: deleting .holdfast/ starts anew wherever the data lies.
 */
async function placeData(
  asked: string,
  account: Account | null,
  { outside, logger }: { outside?: string; logger?: Logger },
): Promise<string> {
  if (account === null || isReachableByOthers(dirname(asked))) return asked
  const name = createHash('sha256').update(asked).digest('hex').slice(0, 16)
  const dataDir = join(reachableFolder(outside), name)
  const note = `${asked}.location.txt`
  if (!existsSync(note)) {
    await stopLeftover(dataDir, logger)
    rmSync(dataDir, { recursive: true, force: true })
    writeFileSync(
      note,
      `The database's files are in ${dataDir}\nPostgreSQL does not run as root; here it runs as "${account.name}", who cannot reach ${dirname(asked)}.\nDelete this file to start with an empty database.\n`,
    )
    logger?.info(
      { dataDir, user: account.name },
      'the database lies outside this folder, which its user cannot reach',
    )
  }
  return dataDir
}

/** Stops a server that still runs on this data: its pid stands in postmaster.pid and its command names the folder. */
async function stopLeftover(dataDir: string, logger: Logger | undefined): Promise<void> {
  const pid = readPidFile(dataDir)?.pid
  if (pid === undefined) return
  const leftover = identify(pid)
  if (leftover?.command.includes(`-D ${dataDir}`)) {
    logger?.warn({ pid, dataDir }, 'stopping a PostgreSQL left from an earlier run')
    await stopProcess(leftover, STOP)
  }
}

function readPidFile(dataDir: string): { pid: number; ready: boolean } | null {
  let text: string
  try {
    text = readFileSync(join(dataDir, 'postmaster.pid'), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  const lines = text.split('\n')
  const pid = Number(lines[0])
  // The eighth line is the server's state, the word pg_ctl waits for.
  return Number.isSafeInteger(pid) && pid > 0 ? { pid, ready: lines[7]?.trim() === 'ready' } : null
}

/** Makes the data in a neighbouring folder and renames it, so that a half-made one is never taken for whole. */
function createData(
  dataDir: string,
  binaries: PostgresBinaries,
  account: Account | null,
  durable: boolean,
): void {
  if (existsSync(dataDir)) {
    throw new HoldfastError(
      'INVALID_CONFIG',
      `${dataDir} exists but holds no PostgreSQL data. Delete it, or choose another folder.`,
    )
  }
  const making = `${dataDir}.making`
  const passwordFile = `${dataDir}.password`
  rmSync(making, { recursive: true, force: true })
  mkdirSync(making, { mode: 0o700 })
  rmSync(passwordFile, { force: true })
  writeFileSync(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600, flag: 'wx' })
  if (account !== null) {
    chownSync(making, account.uid, account.gid)
    chownSync(passwordFile, account.uid, account.gid)
  }
  const cwd = making
  const run = (command: string, args: string[], input?: string) => {
    const { status, error, stdout, stderr } = spawnSync(command, args, {
      cwd,
      input,
      env: environment(),
      encoding: 'utf8',
      ...(account === null ? {} : { uid: account.uid, gid: account.gid }),
    })
    if (status !== 0) {
      throw new HoldfastError(
        'DATABASE_UNAVAILABLE',
        `${command} failed: ${(stderr || stdout || '').trim()}`,
        {
          cause: error,
        },
      )
    }
  }
  const sync = durable ? [] : ['--no-sync']
  run(binaries.initdb, [
    ...['-D', making, '-U', USER, '--pwfile', passwordFile, '--auth', 'scram-sha-256'],
    ...['--encoding', 'UTF8', '--locale', 'C', '--no-instructions', ...sync],
  ])
  // Single-user mode: the database is there before anybody can connect.
  run(binaries.postgres, ['--single', '-D', making, 'postgres'], `CREATE DATABASE ${DATABASE}\n`)
  renameSync(passwordFile, join(making, PASSWORD_FILE))
  renameSync(making, dataDir)
}

function assertVersion(dataDir: string, major: number): void {
  const found = readFileSync(join(dataDir, 'PG_VERSION'), 'utf8').trim()
  if (found !== String(major)) {
    throw new HoldfastError(
      'INVALID_CONFIG',
      `${dataDir} was made by PostgreSQL ${found}, and this is PostgreSQL ${major}, which cannot read it. Delete the folder to start anew, or go back to the holdfast version that made it.`,
    )
  }
}

function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }
}

type Launch = {
  dataDir: string
  binaries: PostgresBinaries
  account: Account | null
  logFile: string
  port?: number | undefined
  settings?: Readonly<Record<string, string>>
}

/** Spawns the server and waits until it takes connections. A free port that somebody else took first: once more. */
async function launch(options: Launch): Promise<{ server: ServerProcess; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await findFreePort())
    const settings = {
      listen_addresses: '127.0.0.1',
      port: String(port),
      unix_socket_directories: '',
      logging_collector: 'off',
      ...options.settings,
    }
    const server = spawnServer({
      command: options.binaries.postgres,
      args: [
        '-D',
        options.dataDir,
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      logFile: options.logFile,
      cwd: options.dataDir,
      env: environment(),
      account: options.account === null ? undefined : { uid: options.account.uid, gid: options.account.gid },
      exitSignal: 'SIGINT',
    })
    const failure = await untilReady(server, options.dataDir)
    if (failure === null) return { server, port }
    await server.stop(STOP)
    const log = logTail(options.logFile)
    if (options.port === undefined && attempt < 5 && /could not bind|Address already in use/i.test(log))
      continue
    throw new HoldfastError(
      'DATABASE_UNAVAILABLE',
      `PostgreSQL ${failure}. The end of ${options.logFile}:\n${log}`,
    )
  }
}

async function untilReady(server: ServerProcess, dataDir: string): Promise<string | null> {
  const deadline = Date.now() + READY_WITHIN_MS
  while (Date.now() < deadline) {
    if (server.hasExited()) return await server.exited
    const state = readPidFile(dataDir)
    if (state?.pid === server.pid && state.ready) return null
    await pause(10)
  }
  return `was not ready within ${READY_WITHIN_MS / 1000} s`
}
