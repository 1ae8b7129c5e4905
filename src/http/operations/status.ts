/** How the daemon is doing: `/v1/status` once, `/v1/events` as it happens. */
import type { ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { HoldfastError } from '../../core/errors.ts'
import type { Auth } from '../auth.ts'
import type { HttpDeps } from '../deps.ts'
import { EVENTS_SCHEMA, STATUS_SCHEMA } from './schema.ts'

const KEEP_ALIVE_MS = 15_000
const STREAMS_AT_ONCE = 256
/** A reader that lets this much pile up is cut off; it may connect again. */
const UNREAD_BYTES = 256 * 1024

export function registerStatus(app: FastifyInstance, deps: HttpDeps & { auth: Auth }): void {
  const onRequest = deps.auth.require('audit')
  const streams = new Set<ServerResponse>()

  app.get('/v1/status', { onRequest, schema: STATUS_SCHEMA }, async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    return deps.status()
  })

  app.get('/v1/events', { onRequest, schema: EVENTS_SCHEMA, exposeHeadRoute: false }, (_request, reply) => {
    if (streams.size >= STREAMS_AT_ONCE) {
      throw new HoldfastError('OVERLOADED', 'Too many event streams are open.', { retryAfter: 30 })
    }
    reply.hijack()
    const stream = reply.raw
    // Whoever left while the key was looked up is not told of any more: the stream's end was before.
    if (stream.destroyed) return
    stream.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      // Asks nginx not to hold events back.
      'x-accel-buffering': 'no',
    })
    stream.write(': connected\n\n')
    const send = (text: string) => {
      if (stream.writableLength > UNREAD_BYTES) stream.destroy()
      else stream.write(text)
    }
    const unsubscribe = deps.events.subscribe((event) => {
      const { type, ...data } = event
      send(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`)
    })
    const keepAlive = setInterval(() => send(': keep-alive\n\n'), KEEP_ALIVE_MS)
    streams.add(stream)
    stream.on('error', () => stream.destroy())
    stream.on('close', () => {
      clearInterval(keepAlive)
      unsubscribe()
      streams.delete(stream)
    })
  })

  app.addHook('preClose', async () => {
    for (const stream of streams) stream.end()
  })
}
