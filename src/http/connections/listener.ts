/** Node's HTTP server with everything that is decided before a request has a route. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { HoldfastError } from '../../core/errors.ts'
import type { Metrics } from '../../core/metrics.ts'
import type { Logger } from '../../core/ports.ts'
import { problemHeaders, problemOf, rawProblem } from '../problems.ts'
import { admitConnections } from './admission.ts'
import { createFaults } from './faults.ts'
import { methodNotAllowed } from './parser-faults.ts'
import { LEAST_RATE, type LeastRate, watchProgress } from './progress.ts'
import { GatheringRequest } from './request.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

const HEADERS_TIMEOUT_MS = 30_000
/** Longer than what load balancers keep idle connections for. */
const KEEP_ALIVE_MS = 75_000

/**
 * A server that hands well-formed requests to `handler`, and answers everything else itself with a problem document.
 * @param options.allowed the methods of a path; undefined where there is nothing
 */
export function createListener(options: {
  handler: Handler
  requestTimeoutMs: number
  maxConnections: number
  leastRate?: LeastRate | undefined
  allowed(path: string): string[] | undefined
  logger: Logger
  metrics: Metrics
}): Server {
  const { handler, requestTimeoutMs, logger, metrics } = options
  const server = createServer({
    IncomingMessage: GatheringRequest,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs),
    connectionsCheckingInterval: Math.min(5_000, Math.max(50, requestTimeoutMs / 4)),
    // Refused below, with a problem document.
    requireHostHeader: false,
  })
  const admission = admitConnections(server, { maxConnections: options.maxConnections, logger, metrics })
  const faults = createFaults({ logger, allowed: options.allowed })
  const stop = watchProgress(server, {
    faults,
    leastRate: options.leastRate ?? LEAST_RATE,
    onCut: (direction) => metrics.count('holdfast_http_slow_clients_total', 1, { direction }),
  })

  function take(request: GatheringRequest, response: ServerResponse, refused?: HoldfastError): void {
    faults.begin(request, response)
    if (admission.isSpare(request.socket)) response.shouldKeepAlive = false
    const refusal = refused ?? admission.refusal(request) ?? faultOfHost(request)
    if (refusal === undefined) handler(request, response)
    else answer(response, refusal)
  }

  function answer(response: ServerResponse, error: HoldfastError): void {
    metrics.count('holdfast_http_problems_total', 1, { code: error.code })
    response.shouldKeepAlive = false
    const body = JSON.stringify(problemOf(error))
    response.writeHead(error.status, { ...problemHeaders(error), 'content-length': Buffer.byteLength(body) })
    response.end(body)
  }

  server.on('request', (request: GatheringRequest, response) => take(request, response))
  server.on('checkContinue', (request: GatheringRequest, response) => {
    request.awaitContinue(response)
    take(request, response)
  })
  server.on('checkExpectation', (request: GatheringRequest, response) => {
    const expected = String(request.headers.expect).slice(0, 40)
    const what = `The expectation ${JSON.stringify(expected)} is not known; 100-continue is.`
    take(request, response, new HoldfastError('EXPECTATION_FAILED', what))
  })
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    const methods = options.allowed(String(request.url)) ?? ['GET', 'HEAD', 'POST']
    socket.on('error', () => socket.destroy())
    socket.end(rawProblem(methodNotAllowed('CONNECT', methods)))
  })
  server.on('clientError', (error: Error, socket) => faults.answer(error, socket as never))
  server.on('close', stop)
  return server
}

function faultOfHost({ httpVersion, headers }: IncomingMessage): HoldfastError | undefined {
  if (headers.host !== undefined || httpVersion !== '1.1') return undefined
  return new HoldfastError('INVALID_REQUEST', 'An HTTP/1.1 request needs a Host header.')
}
