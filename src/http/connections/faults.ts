/**
 * What of a connection is not HTTP, or comes too late. The fault answers the request that it belongs to and no other: in a
 * pipeline, answers leave in the order of the requests.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from '../../core/ports.ts'
import { rawProblem } from '../problems.ts'
import { closeSoon } from './linger.ts'
import { type ConnectionFault, problemOfFault } from './parser-faults.ts'
import type { GatheringRequest } from './request.ts'

export type Faults = {
  /** To be told of every request as it comes. */
  begin(request: GatheringRequest, response: ServerResponse): void
  /** The last request of a connection and its answer, when one came. */
  last(socket: Socket): Exchange | undefined
  /** Answers a fault that Node's parser or clock found. */
  answer(fault: ConnectionFault, socket: Socket): void
}

export type Exchange = { request: GatheringRequest; response: ServerResponse }

/** @param allowed the methods of a path, for 405 */
export function createFaults(deps: { logger: Logger; allowed(path: string): string[] | undefined }): Faults {
  const lastOf = new WeakMap<Socket, ServerResponse>()
  const ended = new WeakSet<Socket>()

  const last = (socket: Socket): Exchange | undefined => {
    const response = lastOf.get(socket)
    return response && { response, request: response.req as GatheringRequest }
  }

  function endWith(socket: Socket, fault: ConnectionFault): void {
    if (socket.writable) socket.end(rawProblem(problemOfFault(fault, deps.allowed)))
    closeSoon(socket)
  }

  return {
    begin(request, response) {
      lastOf.set(request.socket, response)
    },
    last,
    answer(fault, socket) {
      if (fault.code === 'ECONNRESET' || !socket.writable) {
        socket.destroy()
        return
      }
      // The parser finds a fault in each further piece.
      if (ended.has(socket)) return
      ended.add(socket)
      deps.logger.debug({ code: fault.code }, 'not an HTTP request')
      const before = last(socket)
      if (before === undefined || before.response.writableFinished) {
        endWith(socket, fault)
      } else if (before.request.complete) {
        before.response.once('close', () => endWith(socket, fault))
      } else {
        // It is the last request's body: its own answer tells.
        before.response.shouldKeepAlive = false
        before.request.failBody(problemOfFault(fault, deps.allowed))
        if (before.response.headersSent) closeSoon(socket)
      }
    },
  }
}
