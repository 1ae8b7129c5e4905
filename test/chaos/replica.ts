import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { clockShiftEnv } from '../support/process.ts'
import { until } from '../support/wait.ts'

/** One `holdfast serve` that is started again whenever it ends, until it is closed. */
export type Replica = {
  url: string
  pid(): number | null
  /** How many of its processes ended by a SIGKILL that was meant for them, from outside or at a fault point. */
  kills(): number
  /** Ends that nobody caused: how, and the end of the log. */
  crashes: string[]
  /** Starts that were refused because the database was away just then, as a supervisor would see them. */
  refusedStarts(): number
  /** How many of its processes killed themselves at a fault point. */
  pointDeaths(): number
  /**
   * kill -9 as soon as there is a process; started again after `downMs`, for a fault point when given one, and with
   * `clockShiftMs` its clock is that far off from then on. True once the process is dead, false when there was none
   * within `withinMs`.
   */
  kill(options: {
    downMs: number
    withinMs: number
    faultPoint?: string
    clockShiftMs?: number
  }): Promise<boolean>
  /** Resolves false when `withinMs` passed before it served. */
  serving(withinMs: number): Promise<boolean>
  /** SIGSTOP, and SIGCONT after a while. True once the process stands still, false when there is none. */
  suspend(ms: number): Promise<boolean>
  isSuspended(): boolean
  /** SIGCONT; its next process goes to no fault point. */
  resume(): void
  /** No process is left. By SIGTERM, which it may take 20 seconds to follow, or `atOnce`. */
  close(atOnce: boolean): Promise<void>
}

const RESTART_MS = 300
const STANDS_STILL_WITHIN_MS = 500
/** sysexits' EX_TEMPFAIL: what `holdfast serve` ends with when it cannot start now, but could later. */
const TRY_AGAIN_LATER = 75

export function startReplica(options: {
  main: string
  port: number
  logFile: string
  env: Record<string, string>
  /** Whether the database was away at any time since then, by `performance.now()`. */
  databaseWasAway: (since: number) => boolean
}): Replica {
  const { logFile } = options
  const crashes: string[] = []
  const timers = new Set<NodeJS.Timeout>()
  const ordered = new WeakSet<ChildProcess>()
  let child: ChildProcess | null = null
  let kills = 0
  let pointDeaths = 0
  let refusedStarts = 0
  let downMs = RESTART_MS
  let point: string | undefined
  let clockShiftMs = 0
  let closed = false
  const url = `http://127.0.0.1:${options.port}`

  function later(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer)
      work()
    }, ms)
    timers.add(timer)
  }

  function start(): void {
    if (closed) return
    const log = openSync(logFile, 'a')
    const faultPoint = point
    const startedAt = performance.now()
    // A group of its own: the terminal's Ctrl-C reaches the run, and the run ends its daemons.
    const started = spawn(process.execPath, [options.main, 'serve'], {
      env: {
        PATH: process.env.PATH ?? '/usr/bin:/bin',
        ...options.env,
        ...(faultPoint === undefined ? {} : { HOLDFAST_FAULT_POINT: faultPoint }),
        ...(clockShiftMs === 0 ? {} : clockShiftEnv(clockShiftMs)),
      },
      stdio: ['ignore', log, log],
      detached: true,
    })
    closeSync(log)
    child = started
    started.once('exit', (code, signal) => {
      if (child === started) child = null
      if (closed) return
      if (signal === 'SIGKILL' && ordered.has(started)) kills += 1
      else if (signal === 'SIGKILL' && faultPoint !== undefined) {
        kills += 1
        pointDeaths += 1
        if (point === faultPoint) point = undefined
      } else if (code === TRY_AGAIN_LATER && options.databaseWasAway(startedAt)) refusedStarts += 1
      else crashes.push(`status ${code ?? signal}: ${readFileSync(logFile, 'utf8').slice(-600)}`)
      const wait = downMs
      downMs = RESTART_MS
      later(wait, start)
    })
  }

  const killNow = () => child?.kill('SIGKILL')
  process.on('exit', killNow)
  start()
  return {
    url,
    pid: () => child?.pid ?? null,
    kills: () => kills,
    crashes,
    refusedStarts: () => refusedStarts,
    pointDeaths: () => pointDeaths,
    async kill(how) {
      point = how.faultPoint
      clockShiftMs = how.clockShiftMs ?? clockShiftMs
      const victim = await until(() => child, { within: how.withinMs, what: 'a process' }).catch(() => null)
      if (victim === null) return false
      ordered.add(victim)
      downMs = how.downMs
      victim.kill('SIGKILL')
      await ended(victim)
      return victim.signalCode === 'SIGKILL'
    },
    async serving(withinMs) {
      try {
        return await until(() => isServing(url), { within: withinMs, every: 50, what: `${url} to serve` })
      } catch {
        return false
      }
    },
    async suspend(ms) {
      const stopped = child
      if (stopped?.pid === undefined || !stopped.kill('SIGSTOP')) return false
      later(ms, () => stopped.kill('SIGCONT'))
      const deadline = performance.now() + STANDS_STILL_WITHIN_MS
      while (!isStopped(stopped.pid)) {
        if (performance.now() > deadline) return false
        await pause(5)
      }
      return true
    },
    isSuspended: () => child?.pid !== undefined && isStopped(child.pid),
    resume() {
      point = undefined
      child?.kill('SIGCONT')
    },
    async close(atOnce) {
      closed = true
      for (const timer of timers) clearTimeout(timer)
      const last = child
      if (last !== null) {
        last.kill('SIGCONT')
        last.kill(atOnce ? 'SIGKILL' : 'SIGTERM')
        const hard = setTimeout(() => last.kill('SIGKILL'), 20_000)
        await ended(last)
        clearTimeout(hard)
      }
      process.removeListener('exit', killNow)
    },
  }
}

async function ended(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return
  await new Promise<void>((resolve) => process.once('exit', () => resolve()))
}

async function isServing(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/livez`, { signal: AbortSignal.timeout(500) })).ok
  } catch {
    return false
  }
}

/** Whether the process is suspended, by /proc; where there is none, nobody knows, and it counts as suspended. */
function isStopped(pid: number): boolean {
  if (process.platform !== 'linux') return true
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')
  } catch {
    return false
  }
}
