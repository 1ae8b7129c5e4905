import { HoldfastError } from '../errors.ts'
import type { Hex, Receipt } from '../format.ts'
import { type ReceiptAnswer, readReceipt } from './receipts.ts'
import type { Send } from './request.ts'
import type { Limit } from './time.ts'

/** `anchored`: in a block that may still be replaced. `finalized`: in one that its chain will not give up. */
export type Goal = 'anchored' | 'finalized'

type Pause = (ms: number, signal?: AbortSignal) => Promise<void>

/** Between two questions for a receipt that is anchored and not final yet. */
const FINALITY_POLL_MS = 5_000

/**
 * The receipt as soon as the record has come so far, on any of its chains. The daemon may be away in between, and the
 * record may be unknown at first: whoever pushes it may be slower.
 * @throws HoldfastError TIMED_OUT at the deadline, saying where the record stands
 */
export async function waitForReceipt(
  send: Send,
  hash: Hex,
  goal: Goal,
  { limit, pollMs, pause }: { limit: Limit; pollMs: number | undefined; pause: Pause },
): Promise<Receipt> {
  const { signal, deadline = Number.POSITIVE_INFINITY } = limit
  let last = 'Nothing was heard of it'
  for (;;) {
    let waitMs: number
    try {
      const answer = await readReceipt(send, hash, limit)
      if (answer?.kind === 'receipt' && hasReached(answer.receipt, goal)) return answer.receipt
      last = stateOf(answer)
      waitMs = pauseAfter(answer)
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.kind !== 'retry') throw error
      if (error.code === 'TIMED_OUT') throw outOfTime(last, error)
      last = error.message
      waitMs = (error.context.retryAfter ?? 1) * 1_000
    }
    waitMs = pollMs ?? waitMs
    if (performance.now() + waitMs >= deadline) throw outOfTime(last, undefined)
    await pause(waitMs, signal)
  }
}

function hasReached({ anchors }: Receipt, goal: Goal): boolean {
  return goal === 'anchored' || anchors.some(({ status }) => status === 'finalized')
}

function stateOf(answer: ReceiptAnswer | null): string {
  if (answer === null) return 'The daemon does not know the record'
  return `The record is ${answer.kind === 'receipt' ? 'anchored' : answer.status}`
}

function pauseAfter(answer: ReceiptAnswer | null): number {
  if (answer === null) return 1_000
  return answer.kind === 'receipt' ? FINALITY_POLL_MS : answer.retryAfter * 1_000
}

function outOfTime(last: string, cause: unknown): HoldfastError {
  return new HoldfastError('TIMED_OUT', `Not reached within the time given. ${last}.`, { cause })
}
