import type { FastifyInstance } from 'fastify'
import type { Metrics } from '../core/metrics.ts'

export type RequestMetrics = {
  /** Counts an answer that Fastify does not see. */
  count(route: string, status: number): void
  /** Hands over what was counted so far, and stops. */
  stop(): void
}

const HAND_OVER_MS = 1_000

/**
 * Counts answers by route and status, and times them, event streams aside. Counts are gathered in plain numbers and
 * handed over once a second: a single push costs one look-up, and is not timed. An answer counts when it is sent; waiting
 * for its end would have Fastify listen to each response.
 */
export function countRequests(app: FastifyInstance, metrics: Metrics): RequestMetrics {
  const counts = new Map<string, Map<number, number>>()

  const count = (route: string, status: number) => {
    let byStatus = counts.get(route)
    if (byStatus === undefined) {
      byStatus = new Map()
      counts.set(route, byStatus)
    }
    byStatus.set(status, (byStatus.get(status) ?? 0) + 1)
  }
  app.addHook('onSend', (request, reply, _payload, done) => {
    const route = request.is404 ? 'none' : (request.routeOptions.url ?? 'none')
    count(route, reply.statusCode)
    metrics.observe('holdfast_http_request_seconds', reply.elapsedTime / 1000, { route })
    done()
  })

  const handOver = () => {
    for (const [route, byStatus] of counts) {
      for (const [status, count] of byStatus) {
        metrics.count('holdfast_http_requests_total', count, { route, status: String(status) })
      }
      byStatus.clear()
    }
  }
  const timer = setInterval(handOver, HAND_OVER_MS)
  timer.unref()
  return {
    count,
    stop() {
      clearInterval(timer)
      handOver()
    },
  }
}
