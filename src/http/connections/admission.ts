/** Keeps file descriptors free for the database, the chains and the probes, however many connections clients open. */
import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { HoldfastError } from '../../core/errors.ts'
import type { Metrics } from '../../core/metrics.ts'
import type { Logger } from '../../core/ports.ts'

export type Admission = {
  /** Why the request is refused: its connection is one too many, and it is not for a probe. */
  refusal(request: IncomingMessage): HoldfastError | undefined
  /** Whether the connection is one of those that are kept free for probes, and closes after one answer. */
  isSpare(socket: Socket): boolean
}

/** Connections beyond the limit in which probes are answered. */
const SPARE_CONNECTIONS = 32
/** Of those, how many may be closing. */
const CLOSING_CONNECTIONS = 32
const SPARE_MS = 2_000
/** An episode of refusals is over when so much of the limit is in use. */
const EASED = 0.9
const PROBES = new Set(['/livez', '/readyz', '/healthz', '/metrics'])

/**
 * Beyond `maxConnections`, connections serve only probes, one request each within 2 seconds; everything else gets 503. When
 * these are used up as well, the oldest of them gives way to the newest. Each episode is logged once.
 */
export function admitConnections(
  server: Server,
  deps: { maxConnections: number; logger: Logger; metrics: Metrics },
): Admission {
  const { maxConnections, logger, metrics } = deps
  const spare = new Set<Socket>()
  let open = 0
  let full = false
  server.maxConnections = maxConnections + SPARE_CONNECTIONS + CLOSING_CONNECTIONS

  const refused = () => {
    metrics.count('holdfast_http_connections_refused_total', 1)
    if (full) return
    full = true
    logger.warn({ maxConnections }, 'too many HTTP connections: new ones are refused; /livez is still served')
  }
  server.on('drop', refused)
  server.on('connection', (socket: Socket) => {
    open++
    socket.once('close', () => {
      open--
      if (full && open <= maxConnections * EASED) {
        full = false
        logger.info({ maxConnections }, 'HTTP connections are accepted again')
      }
    })
    if (open <= maxConnections) return
    refused()
    for (const oldest of spare) {
      if (spare.size < SPARE_CONNECTIONS) break
      spare.delete(oldest)
      oldest.destroy()
    }
    spare.add(socket)
    const timer = setTimeout(() => socket.destroy(), SPARE_MS).unref()
    socket.once('close', () => {
      clearTimeout(timer)
      spare.delete(socket)
    })
  })

  return {
    isSpare: (socket) => spare.has(socket),
    refusal(request) {
      if (!spare.has(request.socket) || PROBES.has(request.url!.split('?')[0]!)) return undefined
      return new HoldfastError('OVERLOADED', 'Too many connections are open; send this again.', {
        retryAfter: 2,
      })
    },
  }
}
