/**
 * `POST /v1/records` with one hash, as nearly every push is, answered on the bare Node server, without router, hooks and
 * reply object; what that gains stands in docs/benchmarks.md. Only the plain success ends here. Whatever is unusual in the
 * headers, in the body or in the outcome goes to Fastify, as if it had come there first, so that one place refuses.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { IntakeQueue } from '../../ingest/intake-queue.ts'
import type { Auth } from '../auth.ts'
import type { RequestMetrics } from '../request-metrics.ts'
import { type Acknowledgement, JSON_TYPE } from './acknowledgement.ts'
import { SINGLE_HASH_BYTES, singleHashDigits } from './parse-items.ts'
import { leaveOutcome } from './read-ahead.ts'

const PATH = '/v1/records'
const JSON_TYPES: ReadonlySet<string | undefined> = new Set(['application/json', JSON_TYPE])

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** The result answers the requests it knows how to, and gives every other to `fallback`. */
export function createSinglePush(deps: {
  auth: Auth
  intake: Pick<IntakeQueue, 'push'>
  acknowledgement: Acknowledgement
  requests: Pick<RequestMetrics, 'count'>
  closing(): boolean
}): (request: IncomingMessage, response: ServerResponse, fallback: Handler) => void {
  const { auth, intake, acknowledgement, requests, closing } = deps

  function answer(response: ServerResponse, text: string): void {
    const headers = [
      'content-type',
      JSON_TYPE,
      'x-content-type-options',
      'nosniff',
      'content-length',
      String(text.length),
    ]
    if (closing()) headers.push('connection', 'close')
    requests.count(PATH, 202)
    response.writeHead(202, headers)
    response.end(text)
  }

  return (request, response, fallback) => {
    const source = isSmallJsonPush(request) && !closing() ? auth.known(request, 'ingest') : undefined
    if (source === undefined) {
      fallback(request, response)
      return
    }
    let body: Buffer | undefined
    request.on('data', (chunk: Buffer) => {
      body = body === undefined ? chunk : Buffer.concat([body, chunk])
    })
    request.on('error', (error) => {
      // Nobody is there to be told when the connection broke.
      if (request.destroyed) return
      request.removeAllListeners('end')
      leaveOutcome(request, { error })
      fallback(request, response)
    })
    request.on('end', () => {
      const digits = body === undefined ? undefined : singleHashDigits(body)
      if (digits === undefined) {
        leaveOutcome(request, { body: body ?? Buffer.alloc(0) })
        fallback(request, response)
        return
      }
      intake.push(source.id, Buffer.from(digits, 'hex')).then(
        (receivedAtMs) => answer(response, acknowledgement(1, receivedAtMs, digits)),
        (error: Error) => {
          leaveOutcome(request, { error })
          fallback(request, response)
        },
      )
    })
  }
}

function isSmallJsonPush({ method, url, headers }: IncomingMessage): boolean {
  return (
    method === 'POST' &&
    url === PATH &&
    JSON_TYPES.has(headers['content-type']) &&
    Number(headers['content-length']) <= SINGLE_HASH_BYTES &&
    headers['content-encoding'] === undefined
  )
}
