import type { FastifyInstance, HTTPMethods } from 'fastify'
import { HoldfastError } from '../core/errors.ts'

const METHODS: HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/**
 * Answers 405 with an Allow header where a path exists but not with that method. Call it before routes are added, and
 * what it returns when the last is there.
 */
export function refuseOtherMethods(app: FastifyInstance): () => void {
  const allowed = new Map<string, Set<string>>()
  let filling = false
  app.addHook('onRoute', ({ url, method }) => {
    if (filling) return
    const methods = allowed.get(url) ?? new Set<string>()
    for (const each of [method].flat()) methods.add(each)
    allowed.set(url, methods)
  })
  return () => {
    filling = true
    for (const [url, methods] of allowed) {
      const allow = [...methods].join(', ')
      app.route({
        url,
        method: METHODS.filter((method) => !methods.has(method)),
        schema: { hide: true },
        // Before the body is looked at, whatever its type.
        onRequest: (request, reply, done) => {
          reply.header('allow', allow)
          done(
            new HoldfastError('METHOD_NOT_ALLOWED', `${request.method} is not possible here; ${allow} is.`),
          )
        },
        handler: (_request, reply) => reply,
      })
    }
  }
}
