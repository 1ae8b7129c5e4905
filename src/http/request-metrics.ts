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
 * Counts answers by route and status, event streams aside. The counts are gathered in plain numbers and handed over
 * once a second, so that a request costs one look-up; and as an answer is sent rather than when it is through, for which
 * Fastify would have to listen to each response.
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
    count(request.is404 ? 'none' : (request.routeOptions.url ?? 'none'), reply.statusCode)
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
