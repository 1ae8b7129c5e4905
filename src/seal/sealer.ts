/**
 * In: the `intake` log. Out: batches with their tiles, arrivals and index entries, about a second later. The work
 * runs in a thread (worker.ts → seal-loop.ts → seal-batch.ts); this is the daemon's handle on it.
 */
import { Worker } from 'node:worker_threads'
import { reviveError } from '../core/describe-error.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Logger } from '../core/ports.ts'
import type { SealOptions } from './seal-loop.ts'
import type { SealReport, SealRequest, SealWorkerData } from './worker.ts'

export type Sealer = {
  /**
   * Resolves true once every hash committed before the call is sealed by whichever daemon holds the lease, false
   * when that took longer than `withinMs` or this daemon is stopping. Rejects when the thread is restarting.
   */
  flush(withinMs: number): Promise<boolean>
  /**
   * Takes no further chunks. Resolves when the batch under way is committed or rolled back, the lease is given back and
   * the thread has ended; a thread that does not end within 15 seconds is terminated.
   */
  close(): Promise<void>
}

const RESTART_MS = 1_000
const CLOSE_MS = 15_000
/** What Node gives a thread by default. */
const YOUNG_OBJECTS_MB = 48

/** Starts the sealing thread; a thread that dies is started again after a second. */
export function startSealer(deps: {
  /** The compiled seal/worker.js. */
  workerUrl: URL
  databaseUrl: string
  owner: string
  options: SealOptions
  logger: Logger
  metrics: Metrics
  onSealed?(sealed: { batchId: number; leafCount: number; root: Buffer }): void
  /** Names the instant at which the process kills itself, for fault tests. */
  faultPoint?: string | undefined
}): Sealer {
  const { logger, metrics } = deps
  const flushes = new Map<number, { resolve(complete: boolean): void; reject(error: Error): void }>()
  let lastFlush = 0
  let closing = false
  let restart: NodeJS.Timeout | undefined
  let worker: Worker | undefined = start()
  let onClosed: (() => void) | undefined
  let closed: Promise<void> | undefined

  function start(): Worker {
    const workerData: SealWorkerData = {
      databaseUrl: deps.databaseUrl,
      owner: deps.owner,
      options: deps.options,
      faultPoint: deps.faultPoint ?? null,
    }
    const thread = new Worker(deps.workerUrl, {
      workerData,
      name: 'holdfast-seal',
      // Sealing leaves little behind, so it takes no share of what the process is given for that.
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_OBJECTS_MB },
    })
    thread.on('message', receive)
    thread.on('error', (error) => logger.error({ err: error }, 'sealing thread failed'))
    thread.on('exit', (code) => ended(code))
    return thread
  }

  function receive(message: SealReport): void {
    switch (message.type) {
      case 'log':
        logger[message.level](message.fields, message.message)
        break
      case 'failed':
        metrics.count('holdfast_seal_failures_total', 1)
        break
      case 'sealed': {
        const { batchId, leafCount, seconds } = message
        metrics.observe('holdfast_seal_seconds', seconds)
        metrics.count('holdfast_sealed_leaves_total', leafCount)
        logger.debug({ batchId, leafCount, seconds }, 'batch sealed')
        deps.onSealed?.({ batchId, leafCount, root: Buffer.from(message.root) })
        break
      }
      case 'flushed': {
        const waiting = flushes.get(message.id)
        flushes.delete(message.id)
        if (message.error === undefined) waiting?.resolve(message.complete)
        else
          waiting?.reject(new Error('sealing before the tick failed', { cause: reviveError(message.error) }))
        break
      }
      case 'died':
        logger.error({ err: message.error }, 'sealing thread failed')
    }
  }

  function ended(code: number): void {
    worker = undefined
    metrics.gauge('holdfast_leader', 0, { work: 'seal' })
    for (const { resolve, reject } of flushes.values()) {
      if (closing) resolve(false)
      else reject(new Error('the sealing thread ended'))
    }
    flushes.clear()
    if (closing) {
      onClosed?.()
      return
    }
    metrics.count('holdfast_seal_restarts_total', 1)
    logger.error({ code }, 'sealing thread ended; starting it again')
    restart = setTimeout(() => {
      worker = start()
    }, RESTART_MS)
  }

  function send(request: SealRequest): void {
    worker?.postMessage(request)
  }

  return {
    flush(withinMs) {
      if (closing) return Promise.resolve(false)
      if (!worker) return Promise.reject(new Error('the sealing thread is starting again'))
      const id = ++lastFlush
      return new Promise((resolve, reject) => {
        flushes.set(id, { resolve, reject })
        send({ type: 'flush', id, withinMs })
      })
    },
    close() {
      closed ??= close()
      return closed
    },
  }

  async function close(): Promise<void> {
    closing = true
    clearTimeout(restart)
    const thread = worker
    if (thread === undefined) return
    const ended = new Promise<void>((resolve) => {
      onClosed = resolve
    })
    const late = setTimeout(() => {
      logger.error({ afterMs: CLOSE_MS }, 'sealing thread does not end; its batch is rolled back')
      void thread.terminate()
    }, CLOSE_MS)
    send({ type: 'close' })
    await ended
    clearTimeout(late)
  }
}
