/** Ends requests and answers that a client does not move along, whatever route they are for. */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { HoldfastError } from '../../core/errors.ts'
import type { Faults } from './faults.ts'

/** The least that must move within each window, in either direction. */
export type LeastRate = { bytes: number; windowMs: number }

/** 512 bytes a second over 30 seconds: the slowest modem sends and reads more. */
export const LEAST_RATE: LeastRate = { bytes: 15_360, windowMs: 30_000 }

const LOOKS_PER_WINDOW = 6

/** What a client does with a connection: it sends a body, or it reads an answer. */
type Motion = { direction: 'in' | 'out'; exchange: object; since: number; bytes: number }

/**
 * Looks at all connections several times a window. A body that comes too slowly is answered 408, a reader that is too slow
 * is cut off. Time for which the server itself does not read or has nothing to send does not count.
 * @returns stops the watch
 */
export function watchProgress(
  server: Server,
  deps: { faults: Faults; leastRate: LeastRate; onCut(direction: 'in' | 'out'): void },
): () => void {
  const { faults, leastRate } = deps
  const motions = new Map<Socket, Motion | undefined>()
  server.on('connection', (socket: Socket) => {
    motions.set(socket, undefined)
    socket.once('close', () => motions.delete(socket))
  })

  function look(): void {
    const now = performance.now()
    for (const [socket, before] of motions) {
      const motion = motionOf(socket, faults)
      if (
        motion === undefined ||
        before?.direction !== motion.direction ||
        before.exchange !== motion.exchange
      ) {
        motions.set(socket, motion && { ...motion, since: now })
        continue
      }
      if (now - before.since < leastRate.windowMs) continue
      if (motion.bytes - before.bytes >= leastRate.bytes) {
        motions.set(socket, { ...motion, since: now })
        continue
      }
      motions.set(socket, undefined)
      deps.onCut(motion.direction)
      if (motion.direction === 'out') socket.destroy()
      else faults.answer(tooSlow(leastRate), socket)
    }
  }

  const timer = setInterval(look, leastRate.windowMs / LOOKS_PER_WINDOW).unref()
  return () => clearInterval(timer)
}

/** What is under way and waits for the client; undefined when the client has nothing to do. */
function motionOf(socket: Socket, faults: Faults): Omit<Motion, 'since'> | undefined {
  if (socket.writableLength > 0) {
    return { direction: 'out', exchange: socket, bytes: socket.bytesWritten - socket.writableLength }
  }
  const last = faults.last(socket)
  if (last === undefined || last.request.complete || last.request.bodyFault !== undefined) return undefined
  // What came was not read yet, or was not asked for.
  if (last.request.readableLength > 0 || last.request.awaitsContinue) return undefined
  return { direction: 'in', exchange: last.request, bytes: last.request.bodyBytes }
}

function tooSlow({ bytes, windowMs }: LeastRate): HoldfastError {
  return new HoldfastError(
    'TOO_SLOW',
    `The body came at less than ${Math.round(bytes / (windowMs / 1000))} bytes a second; send it again.`,
  )
}
