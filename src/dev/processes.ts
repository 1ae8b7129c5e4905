/**
 * Child servers that must not outlive us: spawned into their own process group (so that the terminal's Ctrl-C
 * reaches only us and the order of shutdown is ours), killed when Node exits, and remembered in a claim file so that
 * the next start finds what a kill -9 left behind.
 */
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { HoldfastError } from '../core/errors.ts'

/** What tells one process from a later one with the same pid. */
export type ProcessIdentity = { pid: number; startedAt: string; command: string }

/** One signal and how long to wait for the process to go before the next. The last step should be SIGKILL. */
export type StopStep = { signal: NodeJS.Signals; withinMs: number }

/** Who runs a server: the Node process that started it, the server itself, where it listens. */
export type Claim = { owner: ProcessIdentity; child: ProcessIdentity | null; port: number | null }

export type ServerProcess = {
  pid: number
  /** Resolves once the process is gone, with a few words on how it ended. */
  exited: Promise<string>
  hasExited(): boolean
  /** Signals step by step until the process is gone; safe to call again. */
  stop(steps: readonly StopStep[]): Promise<void>
}

/** The process with this pid, or null when there is none (a zombie counts as none). */
export function identify(pid: number): ProcessIdentity | null {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null
  if (process.platform === 'linux') {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      // The name in parentheses may hold spaces; state is the first field after it, the start time the 20th.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (fields[0] === 'Z' || fields[0] === 'X') return null
      return { pid, startedAt: fields[19] ?? '', command }
    } catch (error) {
      if (isGone(error)) return null
      throw error
    }
  }
  try {
    const out = execFileSync('ps', ['-ww', '-o', 'stat=,lstart=,command=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH ?? '/bin:/usr/bin', LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
    const match = /^(\S+)\s+(\S+\s+\S+\s+\d+\s+[\d:]+\s+\d+)\s+(.*)$/s.exec(out)
    if (!match || match[1]?.startsWith('Z')) return null
    return { pid, startedAt: match[2] ?? '', command: match[3] ?? '' }
  } catch (error) {
    // ps exits 1 when no process has the pid.
    if ((error as { status?: number }).status === 1) return null
    throw error
  }
}

function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'ENOENT' || code === 'ESRCH'
}

/** Whether the very process that `identity` was taken from still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startedAt === identity.startedAt
}

/** Reads a claim; null when there is none or it was half written. */
export function readClaim(file: string): Claim | null {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (isGone(error)) return null
    throw error
  }
  try {
    return JSON.parse(text) as Claim
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

/** Writes this process's claim, atomically. `childPid` null: about to spawn. */
export function writeClaim(file: string, childPid: number | null, port: number | null): void {
  const owner = identify(process.pid)
  if (owner === null) throw new Error('cannot read this process from the process table')
  const child = childPid === null ? null : identify(childPid)
  const temporary = `${file}.${process.pid}`
  writeFileSync(temporary, JSON.stringify({ owner, child, port } satisfies Claim), { mode: 0o644 })
  renameSync(temporary, file)
}

export function removeClaim(file: string): void {
  rmSync(file, { force: true })
}

/**
 * Refuses to go on while another living process owns the claim, or our own server on it runs.
 * @throws INVALID_CONFIG naming that process
 */
export function assertNotOwned(claim: Claim | null, folder: string): void {
  if (claim === null || !isAlive(claim.owner)) return
  const ours = claim.owner.pid === process.pid
  if (!ours || (claim.child !== null && isAlive(claim.child))) {
    throw new HoldfastError(
      'INVALID_CONFIG',
      `${folder} is in use by process ${claim.owner.pid} (${claim.owner.command.slice(0, 120)}). Stop it first, or choose another folder.`,
    )
  }
}

/**
 * Signals a process that may not be our child, step by step, until it is gone.
 * @throws INVALID_CONFIG when it belongs to another user; Error when it survives the last step
 */
export async function stopProcess(identity: ProcessIdentity, steps: readonly StopStep[]): Promise<void> {
  for (const { signal, withinMs } of steps) {
    if (!isAlive(identity)) return
    try {
      process.kill(identity.pid, signal)
    } catch (error) {
      if (isGone(error)) return
      throw new HoldfastError(
        'INVALID_CONFIG',
        `Process ${identity.pid} (${identity.command.slice(0, 120)}) is left from an earlier run and belongs to another user. Stop it as that user.`,
        { cause: error },
      )
    }
    const deadline = Date.now() + withinMs
    while (Date.now() < deadline) {
      if (!isAlive(identity)) return
      await pause(10)
    }
  }
  if (isAlive(identity)) throw new Error(`process ${identity.pid} did not stop: ${identity.command}`)
}

const killsOnExit = new Set<() => void>()

function killAll(): void {
  for (const kill of killsOnExit) kill()
}

/**
 * Starts a server whose standard output and error go to `logFile` (a file and not a pipe, so that the server does
 * not fail on writing after we were killed). When Node exits without `stop`, the child gets `exitSignal`.
 */
export function spawnServer(options: {
  command: string
  args: readonly string[]
  logFile: string
  cwd: string
  env: NodeJS.ProcessEnv
  account?: { uid: number; gid: number } | undefined
  exitSignal: NodeJS.Signals
}): ServerProcess {
  const log = openSync(options.logFile, 'w', 0o644)
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ['ignore', log, log],
    detached: true,
    ...options.account,
  })
  closeSync(log)
  let gone = false
  const killOnExit = () => child.kill(options.exitSignal)
  const exited = new Promise<string>((resolve) => {
    const end = (how: string) => {
      gone = true
      killsOnExit.delete(killOnExit)
      resolve(how)
    }
    child.once('error', (error) => end(`could not be started: ${error.message}`))
    child.once('exit', (code, signal) =>
      end(signal === null ? `exited with status ${code}` : `was ended by ${signal}`),
    )
  })
  if (killsOnExit.size === 0 && !process.listeners('exit').includes(killAll)) process.on('exit', killAll)
  killsOnExit.add(killOnExit)

  return {
    pid: child.pid ?? -1,
    exited,
    hasExited: () => gone,
    async stop(steps) {
      for (const { signal, withinMs } of steps) {
        if (gone) return
        child.kill(signal)
        const deadline = new AbortController()
        await Promise.race([
          exited,
          pause(withinMs, undefined, { signal: deadline.signal }).catch(ignoreAbort),
        ])
        deadline.abort()
      }
    },
  }
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'AbortError') throw error
}

/** The end of a log file, for an error message. */
export function logTail(logFile: string): string {
  const text = readFileSync(logFile, 'utf8').trim()
  return text.length > 1500 ? `…${text.slice(-1500)}` : text
}
