import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { until } from './wait.ts'

export type ChildRun = {
  pid: number
  stdout(): string
  stderr(): string
  /** Both, in the order of arrival. */
  output(): string
  /** Waits until the output matches. Fails at once, with the output, when the process ends before. */
  waitFor(pattern: RegExp, within?: number): Promise<RegExpExecArray>
  /** Waits for the end; also for one that has been. */
  exit(within?: number): Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  kill(signal?: NodeJS.Signals): void
  /** Writes to standard input and closes it. */
  feed(text: string | Uint8Array): void
}

type RunOptions = { env?: Record<string, string>; cwd?: string; uid?: number; gid?: number }

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** Runs the built `holdfast` command. The caller ends it: `kill('SIGKILL')`, then `exit()`. */
export function runHoldfast(args: readonly string[], options: RunOptions = {}): ChildRun {
  return runProcess(process.execPath, [MAIN, ...args], options)
}

const LOADER = new URL('typescript-loader.mjs', import.meta.url).href

/** The arguments with which Node runs one of our TypeScript files as it stands, without a build. */
export function typescriptArgs(file: string): string[] {
  return ['--import', LOADER, file]
}

/** Variables for a Node process whose clock is to be this many ms off. */
export function clockShiftEnv(shiftMs: number): Record<string, string> {
  const preload = new URL('skewed-clock.mjs', import.meta.url).href
  return { NODE_OPTIONS: `--import ${preload}`, CLOCK_SHIFT_MS: String(shiftMs) }
}

/** Runs any program with its output captured. No variable of this environment that configures Holdfast is passed on. */
export function runProcess(command: string, args: readonly string[], options: RunOptions = {}): ChildRun {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(HOLDFAST_|DATABASE_URL$|VITEST|NODE_OPTIONS$)/.test(name),
  )
  const { env, ...rest } = options
  const child = spawn(command, args, {
    ...rest,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: 'pipe',
  })
  let stdout = ''
  let stderr = ''
  let output = ''
  let ended: { code: number | null; signal: NodeJS.Signals | null } | undefined
  let failure: Error | undefined
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    output += text
  })
  child.stdin.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') failure = error
  })
  child.on('error', (error) => {
    failure = error
  })
  // 'close' and not 'exit': by then all output is here. A detached grandchild may hold the pipes open, so both count.
  child.on('exit', (code, signal) => {
    setImmediate(() => {
      ended ??= { code, signal }
    })
  })
  child.on('close', (code, signal) => {
    ended = { code, signal }
  })
  const fail = (why: string): never => {
    throw new Error(`${[command, ...args].join(' ')}: ${why}. Its output:\n${output}`, { cause: failure })
  }

  return {
    pid: child.pid ?? -1,
    stdout: () => stdout,
    stderr: () => stderr,
    output: () => output,
    waitFor: (pattern, within = 30_000) =>
      until(
        () => {
          if (failure) fail('could not run')
          const match = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).exec(output)
          if (!match && ended) fail(`ended (${ended.code ?? ended.signal}) without ${pattern}`)
          return match
        },
        { within, what: `${pattern} in the output` },
      ).catch((error: Error) =>
        error.cause || /Its output/.test(error.message) ? Promise.reject(error) : fail(error.message),
      ),
    exit: (within = 30_000) =>
      until(
        () => {
          if (failure) fail('could not run')
          return ended
        },
        { within, what: `the end of ${command} ${args.join(' ')}` },
      ),
    kill: (signal = 'SIGKILL') => {
      child.kill(signal)
    },
    feed: (text) => {
      child.stdin.end(text)
    },
  }
}
