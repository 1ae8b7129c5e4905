/** Slices of hashes in, durable acknowledgements out, one request after another. */
import { HoldfastError } from '../errors.ts'
import { HASH_BYTES } from '../hex.ts'
import { acknowledgementOf, objectOf } from './answers.ts'
import type { Send } from './request.ts'
import { type Limit, until } from './time.ts'

export type PushResult = {
  /** Hashes that are durably stored. */
  accepted: number
  /** When the last of them was stored, RFC 3339; null when there was none to push. */
  receivedAt: string | null
  /** When the last of them is anchored at the latest, RFC 3339; null when the daemon has no chain. */
  anchorBy: string | null
}

/**
 * Resolves when all slices are stored. When it rejects with a HoldfastError, `context.accepted` says how many hashes are
 * stored for certain. A slice that is sent again after a lost answer may be stored twice: two leaves, harmless.
 * @param onAccepted called after each request with the number of hashes stored so far
 */
export async function pushSlices(
  send: Send,
  slices: AsyncIterable<Uint8Array>,
  limit: Limit,
  onAccepted?: (accepted: number) => void,
): Promise<PushResult> {
  const result: PushResult = { accepted: 0, receivedAt: null, anchorBy: null }
  const state = { mostBytes: Number.POSITIVE_INFINITY }
  try {
    for await (const slice of until(slices, limit)) {
      for (let at = 0; at < slice.length; ) {
        const body = slice.subarray(at, at + state.mostBytes)
        const stored = await pushPart(send, body, limit, state)
        if (stored === null) continue
        at += body.length
        result.accepted += body.length / HASH_BYTES
        result.receivedAt = stored.receivedAt
        result.anchorBy = stored.anchorBy
        onAccepted?.(result.accepted)
      }
    }
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    const { code, message, kind, status, context } = error
    const details = { ...context, kind, status, accepted: result.accepted, cause: error }
    throw new HoldfastError(code, message, details)
  }
  return result
}

/** Null when the daemon takes only less at once; `state` says then how much to try. */
async function pushPart(
  send: Send,
  body: Uint8Array,
  limit: Limit,
  state: { mostBytes: number },
): Promise<{ receivedAt: string; anchorBy: string | null } | null> {
  const count = body.length / HASH_BYTES
  const call = {
    method: 'POST',
    path: '/v1/records',
    contentType: 'application/octet-stream',
    body,
    limit,
  } as const
  try {
    return await send(call, async (answer) => acknowledgementOf(answer.status, await objectOf(answer), count))
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.status !== 413 || count === 1) throw error
    state.mostBytes = Math.ceil(count / 2) * HASH_BYTES
    return null
  }
}
