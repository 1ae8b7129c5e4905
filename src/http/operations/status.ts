/** `GET /v1/status`: how the daemon is doing. */
import type { FastifyInstance } from 'fastify'
import type { Auth } from '../auth.ts'
import type { HttpDeps } from '../deps.ts'
import { STATUS_SCHEMA } from './schema.ts'

export function registerStatus(app: FastifyInstance, deps: HttpDeps & { auth: Auth }): void {
  const onRequest = deps.auth.require('audit')
  app.get('/v1/status', { onRequest, schema: STATUS_SCHEMA }, async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    return deps.status()
  })
}
