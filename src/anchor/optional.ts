import { asStoreError } from '../store/connection/failures.ts'
import type { AnchorContext } from './context.ts'
import { isEndpointFault } from './rpc/faults.ts'

/** A question that failed is not asked again for this long: an endpoint that fails it may back off from all others. */
const ASK_AGAIN_AFTER_MS = 60_000

/**
 * The answer to a question that anchoring does not need, or null when the endpoint has none. Logged when it begins to
 * fail, when it fails in another way, and when it is answered again.
 * @param question names it, and the endpoint, in the log
 * @throws what is no fault of the endpoint's
 */
export async function askOptional<T>(
  { memory, logger, clock }: Pick<AnchorContext, 'memory' | 'logger' | 'clock'>,
  question: { endpoint: string; name: string },
  ask: () => Promise<T>,
): Promise<T | null> {
  const key = `${question.endpoint} ${question.name}`
  const failed = memory.unanswered.get(key)
  if (failed !== undefined && clock.now() < failed.askAgainAt) return null
  try {
    const answer = await ask()
    if (memory.unanswered.delete(key))
      logger.info(question, 'rpc endpoint answers an optional question again')
    return answer
  } catch (error) {
    if (!isEndpointFault(error)) throw error
    memory.unanswered.set(key, { why: error.message, askAgainAt: clock.now() + ASK_AGAIN_AFTER_MS })
    if (failed?.why !== error.message) {
      logger.warn(
        { ...question, err: error },
        'rpc endpoint does not answer a question that anchoring can do without',
      )
    }
    return null
  }
}

/** The answer, or null where the endpoint gives none, for callers that ask once and say themselves what is missing. */
export async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer
  } catch (error) {
    if (!isEndpointFault(error)) throw error
    return null
  }
}

/** The same for a question to the database. A database that is away fails whatever comes next, and is told there. */
export async function countOptional<T>(
  { memory, logger }: Pick<AnchorContext, 'memory' | 'logger'>,
  name: string,
  ask: () => Promise<T>,
): Promise<T | null> {
  try {
    const answer = await ask()
    memory.unanswered.delete(name)
    return answer
  } catch (error) {
    const known = asStoreError(error)
    const why = known instanceof Error ? known.message : String(known)
    if (memory.unanswered.get(name)?.why !== why) logger.warn({ name, err: known }, 'accounting failed')
    memory.unanswered.set(name, { why, askAgainAt: 0 })
    return null
  }
}
