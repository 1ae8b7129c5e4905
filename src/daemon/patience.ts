/** A check is looked at for this long; then it counts as failed, and is still under way. */
export const PATIENCE_MS = 2_000

/**
 * Runs one at a time: calls that come while it is under way wait for the same outcome. However many ask, a database that
 * hangs has one question to answer.
 * @param late the outcome for whoever has waited {@link PATIENCE_MS}
 * @param run never rejects
 */
export function withPatience<T>(run: () => Promise<T>, late: T): () => Promise<T> {
  let underWay: Promise<T> | null = null
  return async () => {
    underWay ??= run().finally(() => {
      underWay = null
    })
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<T>((resolve) => {
      timer = setTimeout(() => resolve(late), PATIENCE_MS)
    })
    const outcome = await Promise.race([underWay, patience])
    clearTimeout(timer)
    return outcome
  }
}
