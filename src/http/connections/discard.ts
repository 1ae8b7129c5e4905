import type { ServerResponse } from 'node:http'
import type { GatheringRequest } from './request.ts'

const DISCARDED_BYTES = 64 * 1024 * 1024
const DISCARD_MS = 30_000

/**
 * Reads what is left of the body of a request that is answered now, and throws it away, so that a client that sends all
 * before it reads gets the answer, and the next request on its connection is found. A body that goes on for more than 64
 * MiB or 30 seconds is cut off.
 */
export function discardBody(request: GatheringRequest, response: ServerResponse): void {
  const { complete, destroyed, awaitsContinue, bodyFault } = request
  if (complete || destroyed || awaitsContinue || bodyFault !== undefined || !announcesBody(request)) return
  const { socket } = request
  // With an answer that is the last, Node closes at once, and the client's kernel throws the answer away. So the connection
  // outlives the answer, also for a client that asked for its end.
  const closes = !response.shouldKeepAlive
  response.shouldKeepAlive = true
  const most = request.bodyBytes + DISCARDED_BYTES
  const timer = setTimeout(() => socket.destroy(), DISCARD_MS).unref()
  request.on('data', () => {
    if (request.bodyBytes > most) socket.destroy()
  })
  request.once('close', () => clearTimeout(timer))
  request.once('end', () => {
    clearTimeout(timer)
    if (!closes) return
    if (response.writableFinished) socket.end()
    else response.once('finish', () => socket.end())
  })
}

function announcesBody({ headers }: GatheringRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
