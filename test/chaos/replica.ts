import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { until } from '../support/wait.ts'

/** One `holdfast serve` that is started again whenever it ends, until it is closed. */
export type Replica = {
  url: string
  pid(): number | null
  /** How many of its processes ended by SIGKILL. */
  kills(): number
  /** Ends that nobody caused: exit status and the end of the log. */
  crashes: string[]
  /** How many of those killed themselves at a fault point. */
  pointDeaths(): number
  /** kill -9 where one runs; started again after `downMs`, for a fault point when given one. */
  kill(options: { downMs: number; faultPoint?: string }): void
  /** Resolves false when the process ended or `withinMs` passed before it served. */
  serving(withinMs: number): Promise<boolean>
  /** SIGSTOP now, SIGCONT after a while. */
  suspend(ms: number): void
  /** Waits until a fault point has suspended it; SIGCONT after a while. False when that did not happen. */
  resumeFromPoint(withinMs: number, stopMs: number): Promise<boolean>
  close(): Promise<void>
}

export function startReplica(options: {
  main: string
  port: number
  logFile: string
  env: Record<string, string>
}): Replica {
  const { logFile } = options
  const crashes: string[] = []
  const timers = new Set<NodeJS.Timeout>()
  let child: ChildProcess | null = null
  let kills = 0
  let downMs = 300
  let point: string | undefined
  let ordered = false
  let pointDeaths = 0
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
    ordered = false
    const started = spawn(process.execPath, [options.main, 'serve'], {
      env: {
        PATH: process.env.PATH ?? '/usr/bin:/bin',
        ...options.env,
        ...(faultPoint === undefined ? {} : { HOLDFAST_FAULT_POINT: faultPoint }),
      },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    child = started
    started.once('exit', (code, signal) => {
      if (child === started) child = null
      if (signal === 'SIGKILL') {
        kills += 1
        if (!ordered && faultPoint !== undefined) {
          pointDeaths += 1
          point = undefined
        }
      }
      if (signal !== 'SIGKILL' && !closed)
        crashes.push(`status ${code ?? signal}: ${readFileSync(logFile, 'utf8').slice(-600)}`)
      const wait = downMs
      downMs = 300
      if (!closed) later(wait, start)
    })
  }

  function resumeLater(stopped: ChildProcess, ms: number): void {
    later(ms, () => stopped.kill('SIGCONT'))
  }

  start()
  return {
    url,
    pid: () => child?.pid ?? null,
    kills: () => kills,
    crashes,
    pointDeaths: () => pointDeaths,
    kill(how) {
      point = how.faultPoint
      if (child === null) return
      ordered = true
      downMs = how.downMs
      child.kill('SIGKILL')
    },
    async serving(withinMs) {
      try {
        return await until(() => isServing(url), { within: withinMs, every: 50, what: `${url} to serve` })
      } catch {
        return false
      }
    },
    suspend(ms) {
      const stopped = child
      if (stopped === null) return
      stopped.kill('SIGSTOP')
      resumeLater(stopped, ms)
    },
    async resumeFromPoint(withinMs, stopMs) {
      const deadline = performance.now() + withinMs
      while (performance.now() < deadline) {
        const watched = child
        if (watched?.pid !== undefined && isStopped(watched.pid)) {
          point = undefined
          resumeLater(watched, stopMs)
          return true
        }
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      return false
    },
    async close() {
      closed = true
      for (const timer of timers) clearTimeout(timer)
      const last = child
      if (last === null) return
      const ended = new Promise<void>((resolve) => last.once('exit', () => resolve()))
      last.kill('SIGCONT')
      last.kill('SIGTERM')
      const hard = setTimeout(() => last.kill('SIGKILL'), 20_000)
      await ended
      clearTimeout(hard)
    },
  }
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
