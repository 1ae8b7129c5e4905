/** For orchestrators, Prometheus and the curious: open without a key, and nothing here reveals a hash. */
import type { FastifyInstance } from 'fastify'
import type { Logger } from '../../core/ports.ts'
import { asStoreError } from '../../store/connection/failures.ts'
import type { HealthCheck, HttpDeps } from '../deps.ts'
import { HEALTH_SCHEMA, LIVE_SCHEMA, METRICS_SCHEMA, OPENAPI_SCHEMA } from './schema.ts'

const HEALTH_TIMEOUT_MS = 5_000

export function registerOperations(app: FastifyInstance, deps: HttpDeps): void {
  app.get('/livez', { schema: LIVE_SCHEMA }, async () => ({ status: 'ok' }))

  for (const [url, read] of [
    ['/readyz', () => deps.health.ready()],
    ['/healthz', () => deps.health.all()],
  ] as const) {
    app.get(url, { schema: HEALTH_SCHEMA }, async (_request, reply) => {
      const checks = await withinTime(read, deps.logger)
      const ok = checks.every((check) => check.ok)
      reply.code(ok ? 200 : 503).header('cache-control', 'no-store')
      if (!ok) reply.header('retry-after', 5)
      return { status: ok ? 'ok' : 'failing', checks }
    })
  }

  app.get('/metrics', { schema: METRICS_SCHEMA }, async (_request, reply) => {
    reply.header('content-type', deps.metricsPage.contentType)
    return deps.metricsPage.text()
  })

  let document = ''
  app.get('/openapi.json', { schema: OPENAPI_SCHEMA }, async (_request, reply) => {
    document ||= JSON.stringify(app.swagger())
    reply.header('content-type', 'application/json; charset=utf-8')
    return document
  })

  app.get('/', { schema: { hide: true } }, async () => ({
    name: 'holdfast',
    api: '/openapi.json',
    health: '/healthz',
  }))
}

/** A health check that fails or hangs is a failing check, never an error or a hanging answer. */
async function withinTime(read: () => Promise<HealthCheck[]>, logger: Logger): Promise<HealthCheck[]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<HealthCheck[]>((resolve) => {
    timer = setTimeout(
      () =>
        resolve([{ name: 'health', ok: false, detail: `no answer within ${HEALTH_TIMEOUT_MS / 1000} s` }]),
      HEALTH_TIMEOUT_MS,
    )
  })
  try {
    return await Promise.race([read(), late])
  } catch (error) {
    logger.warn({ err: error }, 'a health check failed')
    const known = asStoreError(error)
    return [
      { name: 'health', ok: false, detail: known === error ? 'the check failed' : (known as Error).message },
    ]
  } finally {
    clearTimeout(timer)
  }
}
