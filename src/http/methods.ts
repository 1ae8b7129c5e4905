import { METHODS } from 'node:http'
import type { FastifyInstance, HTTPMethods } from 'fastify'
import { methodNotAllowed } from './connections/parser-faults.ts'

export type RouteMethods = {
  /** Answers 405 with Allow for every other method of the routes there are. To be called when the last is there. */
  refuseOthers(): void
  /** The methods of the route that has this path; undefined without one. */
  of(path: string): string[] | undefined
}

/** Keeps account of the methods of each route. To be called before the first is added. */
export function watchMethods(app: FastifyInstance): RouteMethods {
  // Node closes a connection on CONNECT before any route.
  const all = METHODS.filter((method) => method !== 'CONNECT')
  for (const method of all) {
    if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: true })
  }
  const allowed = new Map<string, Set<string>>()
  let filling = false
  app.addHook('onRoute', ({ url, method }) => {
    if (filling) return
    const methods = allowed.get(url) ?? new Set<string>()
    for (const each of [method].flat()) methods.add(each)
    allowed.set(url, methods)
  })
  return {
    refuseOthers() {
      filling = true
      for (const [url, methods] of allowed) {
        app.route({
          url,
          method: all.filter((method) => !methods.has(method)) as HTTPMethods[],
          schema: { hide: true },
          // Before the body is looked at, whatever its type.
          onRequest: (request, _reply, done) => done(methodNotAllowed(request.method, [...methods])),
          handler: (_request, reply) => reply,
        })
      }
    },
    of(path) {
      for (const [url, methods] of allowed) {
        const pattern = new RegExp(`^${url.replace(/:[^/]+/g, '[^/]+')}$`)
        if (pattern.test(path)) return [...methods]
      }
      return undefined
    },
  }
}
