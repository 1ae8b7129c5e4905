/** `GET /v1/events`: server-sent events as they happen, resumed after `Last-Event-ID`. */
import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Logger } from '../../core/ports.ts'
import type { Auth } from '../auth.ts'
import { clientOf } from '../client-of.ts'
import type { FeedEntry, HttpDeps } from '../deps.ts'
import { createSlots } from '../slots.ts'
import { EVENTS_SCHEMA } from './schema.ts'

const KEEP_ALIVE_MS = 15_000
const STREAMS_AT_ONCE = 256
/** A reader that lets this much pile up is cut off; it may connect again. */
const UNREAD_BYTES = 1024 * 1024
/** Events that may wait for the database to say whether they concern a source. */
const UNDECIDED_EVENTS = 1_000

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  // Asks nginx not to hold events back.
  'x-accel-buffering': 'no',
}
const GAP = {
  detail: 'Events before this one may have been missed; read /v1/batches and /v1/anchors for them.',
}

export function registerEvents(app: FastifyInstance, deps: HttpDeps & { auth: Auth }): void {
  const onRequest = deps.auth.require('audit', 'ingest')
  const slots = createSlots(STREAMS_AT_ONCE, 'Too many event streams are open; come back later.')
  const streams = new Set<ServerResponse>()

  app.get('/v1/events', { onRequest, schema: EVENTS_SCHEMA, exposeHeadRoute: false }, (request, reply) => {
    const leave = slots.take(clientOf(request))
    reply.hijack()
    const stream = reply.raw
    // The client may have left while the key was looked up; then the end of the stream was before.
    if (stream.destroyed) return leave()
    const send = (text: string) => {
      if (stream.writableLength > UNREAD_BYTES) stream.destroy()
      else stream.write(text)
    }
    stream.writeHead(200, HEADERS)
    const stop = tell(request, deps, { send, cut: () => stream.destroy() })
    const keepAlive = setInterval(() => send(': keep-alive\n\n'), KEEP_ALIVE_MS)
    streams.add(stream)
    stream.on('error', () => stream.destroy())
    stream.on('close', () => {
      clearInterval(keepAlive)
      stop()
      leave()
      streams.delete(stream)
    })
  })

  app.addHook('preClose', async () => {
    for (const stream of streams) stream.end()
  })
}

type Stream = { send(text: string): void; cut(): void }

/** Sends what was missed, and everything from now on. @returns stops it */
function tell(request: FastifyRequest, deps: HttpDeps, stream: Stream): () => void {
  const source = request.source!
  const isAuditor = source.scopes.some((scope) => scope === 'audit' || scope === 'admin')
  const pass = isAuditor
    ? (entry: FeedEntry) => stream.send(textOf(entry))
    : ownEvents({
        concerns: (entry) => deps.eventConcerns(source.id, entry.event),
        stream,
        logger: deps.logger,
      })
  const after = request.headers['last-event-id']
  const { gap, from, missed, stop } = deps.events.follow(pass, typeof after === 'string' ? after : undefined)
  stream.send(
    gap ? `id: ${from}\nevent: gap\ndata: ${JSON.stringify(GAP)}\n\n` : `: connected\nid: ${from}\n\n`,
  )
  for (const entry of missed) pass(entry)
  return stop
}

/** Passes on the events that concern one source, in order, as the database answers. */
function ownEvents(options: {
  concerns(entry: FeedEntry): Promise<boolean>
  stream: Stream
  logger: Logger
}): (entry: FeedEntry) => void {
  const { stream } = options
  let undecided = 0
  let before = Promise.resolve()
  const decide = async (entry: FeedEntry) => {
    if (await options.concerns(entry)) stream.send(textOf(entry))
  }
  return (entry) => {
    if (undecided === UNDECIDED_EVENTS) return stream.cut()
    undecided++
    // A reader that is cut off comes back with its last id, and misses nothing.
    const failed = (error: unknown) => {
      options.logger.warn({ err: error }, 'an event stream ended: whose events they are could not be read')
      stream.cut()
    }
    before = before
      .then(() => decide(entry))
      .catch(failed)
      .finally(() => undecided--)
  }
}

function textOf({ id, event }: FeedEntry): string {
  const { type, ...data } = event
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`
}
