import type { IncomingMessage } from 'node:http'

/** What became of a request's body before its route was reached: read to its end, or already failed at the intake. */
export type ReadAhead = { body: Buffer } | { error: Error }

const outcomes = new WeakMap<IncomingMessage, ReadAhead>()

/** Leaves for {@link outcomeOf} what the request's stream no longer gives. */
export function leaveOutcome(request: IncomingMessage, outcome: ReadAhead): void {
  outcomes.set(request, outcome)
}

/** What was left for this request, or undefined: its body is still to be read. */
export function outcomeOf(request: IncomingMessage): ReadAhead | undefined {
  return outcomes.get(request)
}
