import type { GatheringRequest } from './request.ts'

const DISCARDED_BYTES = 64 * 1024 * 1024
const DISCARD_MS = 30_000

/**
 * Reads what is left of the body of an answered request and throws it away, so that a client that sends all before it
 * reads gets the answer, and the next request on its connection is found. A body that goes on for more than 64 MiB or 30
 * seconds is cut off.
 */
export function discardBody(request: GatheringRequest): void {
  if (request.complete || request.destroyed || request.awaitsContinue || request.bodyFault !== undefined)
    return
  const { socket } = request
  const most = request.bodyBytes + DISCARDED_BYTES
  const timer = setTimeout(() => socket.destroy(), DISCARD_MS).unref()
  request.on('data', () => {
    if (request.bodyBytes > most) socket.destroy()
  })
  request.once('close', () => clearTimeout(timer)).once('end', () => clearTimeout(timer))
}
