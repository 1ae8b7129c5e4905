/** Entry point of the sealing thread: its own event loop and its own connections, so that ingest never waits for it. */
import { constants, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { type DescribedError, describeError } from '../core/describe-error.ts'
import { faultAt } from '../core/fault-point.ts'
import { systemClock } from '../core/ports.ts'
import { openDatabase } from '../store/connection/database.ts'
import { type SealOptions, startSealLoop } from './seal-loop.ts'
import { createThreadLogger, type LogLine } from './thread-log.ts'

export type SealWorkerData = {
  databaseUrl: string
  owner: string
  options: SealOptions
  faultPoint: string | null
}

/** To the thread. */
export type SealRequest = { type: 'flush'; id: number; withinMs: number } | { type: 'close' }

/** From the thread. */
export type SealReport =
  | { type: 'sealed'; batchId: number; leafCount: number; root: Uint8Array; seconds: number }
  | { type: 'failed' }
  | { type: 'leads'; leads: boolean }
  | { type: 'flushed'; id: number; complete: boolean; error?: DescribedError }
  | { type: 'died'; error: DescribedError }
  | LogLine

const port = parentPort
if (!port) throw new Error('seal/worker.ts runs only as a worker thread')
const data = workerData as SealWorkerData

function report(message: SealReport): void {
  port!.postMessage(message)
}

// Without this the thread's parent gets the error as structured clone leaves it: without code and causes.
process.on('uncaughtException', (error) => {
  report({ type: 'died', error: describeError(error) })
  process.exit(1)
})

const logger = createThreadLogger(report)
yieldToIngest()
const database = openDatabase({
  url: data.databaseUrl,
  poolSize: 6,
  name: 'holdfast-seal',
  logger,
  abandonedAfterMs: data.options.leaseTtlMs,
  writesOut: true,
})
const faultPoint = faultAt(data.faultPoint)
const loop = startSealLoop({
  database,
  owner: data.owner,
  options: data.options,
  clock: systemClock,
  logger,
  onSealed: ({ batchId, leafCount, root }, seconds) =>
    report({ type: 'sealed', batchId, leafCount, root, seconds }),
  onFailure: () => report({ type: 'failed' }),
  onLease: (leads) => report({ type: 'leads', leads }),
  ...(faultPoint === undefined ? {} : { faultPoint }),
})

port.on('message', (request: SealRequest) => {
  if (request.type === 'flush') void flush(request.id, request.withinMs)
  else void close()
})

/**
 * Whoever pushes waits for an answer, and nobody waits for a batch: of processors that both want, ingest has the first
 * share. On Linux a priority is a thread's, so that 0 is this thread alone; elsewhere it would be the whole process's.
 */
function yieldToIngest(): void {
  if (process.platform !== 'linux') return
  try {
    setPriority(0, constants.priority.PRIORITY_BELOW_NORMAL)
  } catch (error) {
    logger.info({ err: error }, 'sealing runs at the priority of everything else')
  }
}

async function flush(id: number, withinMs: number): Promise<void> {
  try {
    report({ type: 'flushed', id, complete: await loop.flush(withinMs) })
  } catch (error) {
    report({ type: 'flushed', id, complete: false, error: describeError(error) })
  }
}

async function close(): Promise<void> {
  await loop.close()
  await database.close()
  port!.close()
}
