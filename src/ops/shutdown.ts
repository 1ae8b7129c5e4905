import type { Logger } from '../core/ports.ts'

export type Shutdown = {
  /** Adds a releaser. They run in reverse order, each after the one before it ended. */
  defer(name: string, release: () => unknown): void
  /**
   * Runs all releasers, once; later calls get the same promise. A releaser that fails is logged, and the others still
   * run. After `deadlineMs` the remaining ones are given up.
   * @returns whether everything was released in time and without an error
   */
  run(reason: string): Promise<boolean>
  /**
   * SIGINT, SIGTERM and SIGHUP run the shutdown, then exit with status 0, or 1 when a releaser failed or was given up.
   * A second signal exits at once with status 130. Returns a function that stops listening.
   */
  onSignals(): () => void
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

type Releaser = { name: string; release: () => unknown }

/** A stack of releasers, undone in reverse with a deadline. */
export function createShutdown(options: {
  logger: Logger
  deadlineMs: number
  /** Default: process.exit. */
  exit?: (status: number) => void
}): Shutdown {
  const { logger, deadlineMs } = options
  const exit = options.exit ?? ((status: number) => process.exit(status))
  const stack: Releaser[] = []
  let running: Promise<boolean> | undefined

  async function runOnce(reason: string): Promise<boolean> {
    logger.info({ reason }, 'shutting down')
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => {
        logger.error(
          { deadlineMs, waiting: stack.map(({ name }) => name) },
          'shutdown took too long; giving up',
        )
        resolve(false)
      }, deadlineMs)
    })
    const clean = await Promise.race([releaseAll(stack, logger), late])
    clearTimeout(timer)
    return clean
  }

  const run = (reason: string) => {
    running ??= runOnce(reason)
    return running
  }

  return {
    defer: (name, release) => void stack.push({ name, release }),
    run,
    onSignals() {
      const onSignal = (signal: NodeJS.Signals) => {
        if (running) exit(130)
        else void run(signal).then((clean) => exit(clean ? 0 : 1))
      }
      for (const signal of SIGNALS) process.on(signal, onSignal)
      return () => {
        for (const signal of SIGNALS) process.off(signal, onSignal)
      }
    },
  }
}

async function releaseAll(stack: Releaser[], logger: Logger): Promise<boolean> {
  let clean = true
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    try {
      await next.release()
      logger.debug({ released: next.name }, 'released')
    } catch (error) {
      clean = false
      logger.error({ err: error, released: next.name }, 'could not be released cleanly')
    }
  }
  return clean
}
