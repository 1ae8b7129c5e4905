/** Whether pushes can be committed, known by committing: from the pushes themselves while they come, else from a probe. */
import type { Logger } from '../core/ports.ts'
import type { HealthCheck } from '../http/deps.ts'
import { databaseFailure } from '../store/connection/failures.ts'
import { PATIENCE_MS, withPatience } from './patience.ts'

export type IngestHealth = {
  /** Notes how a push's commit of so many bytes ends, and passes the outcome on. */
  watch<T>(bytes: number, commit: () => Promise<T>): Promise<T>
  check(): Promise<HealthCheck>
}

/** For this long after a commit nothing needs to be tried. */
const FRESH_MS = 1_000
/** For this long after a failure it is not tried again. */
const SETTLE_MS = 200
/** @param probe commits so many bytes and leaves nothing; one runs at a time, however many ask */
export function createIngestHealth(deps: {
  probe(bytes: number): Promise<void>
  logger: Logger
}): IngestHealth {
  let workedAt = Number.NEGATIVE_INFINITY
  /** The last failure, until as many bytes could be committed: a disk that is almost full takes few. */
  let failure: { why: string; bytes: number; at: number } | null = null

  async function watch<T>(bytes: number, commit: () => Promise<T>): Promise<T> {
    try {
      const result = await commit()
      workedAt = performance.now()
      if (failure !== null && bytes >= failure.bytes) failure = null
      return result
    } catch (error) {
      failure = { why: whyOf(error), bytes: Math.max(bytes, failure?.bytes ?? 0), at: performance.now() }
      throw error
    }
  }

  const tried = withPatience(async () => {
    const bytes = failure?.bytes ?? 0
    try {
      await watch(bytes, () => deps.probe(bytes))
    } catch (error) {
      deps.logger.warn({ err: error }, 'a commit that was tried for a health check failed')
    }
    return 'ended'
  }, 'late')

  async function check(): Promise<HealthCheck> {
    const now = performance.now()
    const isFresh = failure === null ? now - workedAt < FRESH_MS : now - failure.at < SETTLE_MS
    if (!isFresh && (await tried()) === 'late') return failing(`none is done within ${PATIENCE_MS / 1000} s`)
    return failure === null ? { name: 'ingest', ok: true, detail: 'commits' } : failing(failure.why)
  }

  return { watch, check }
}

const failing = (why: string): HealthCheck => ({ name: 'ingest', ok: false, detail: `commits fail: ${why}` })

/** Anyone may read it. */
function whyOf(error: unknown): string {
  const failure = databaseFailure(error) ?? databaseFailure((error as { cause?: unknown } | null)?.cause)
  return failure?.why ?? 'the log says why'
}
