/**
 * The HTTP API. In: requests. Out: calls of the steps (intake, prover, verify, store's lists), and their answers as
 * JSON, or their errors as problem documents. Nothing is decided here that is not about HTTP.
 */
import swagger from '@fastify/swagger'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { HoldfastError } from '../core/errors.ts'
import { createAuth } from './auth.ts'
import { discardBody } from './connections/discard.ts'
import { createListener } from './connections/listener.ts'
import { nothingAt } from './connections/parser-faults.ts'
import type { GatheringRequest } from './connections/request.ts'
import type { HttpDeps } from './deps.ts'
import { registerLists } from './lists/route.ts'
import { watchMethods } from './methods.ts'
import { registerEvents } from './operations/events.ts'
import { DOCUMENT, NAMED } from './operations/openapi.ts'
import { registerOperations } from './operations/route.ts'
import { registerStatus } from './operations/status.ts'
import { asHoldfastError, problemHeaders, problemOf } from './problems.ts'
import { registerReceipts } from './receipts/route.ts'
import { createAcknowledgement } from './records/acknowledgement.ts'
import { MAX_OPEN_BYTES } from './records/body.ts'
import { acceptBodies } from './records/content-types.ts'
import { registerRecords } from './records/route.ts'
import { createSinglePush } from './records/single-push.ts'
import { countRequests } from './request-metrics.ts'
import { JSON_VALUE } from './schema-parts.ts'
import { createTurns } from './turns.ts'
import { createUploads } from './uploads.ts'

export type HttpServer = {
  /** Starts to listen. @returns the URL, with the port that was picked */
  listen(): Promise<string>
  /**
   * Takes no new requests (those that come on open connections get SHUTTING_DOWN), ends event streams, and waits for
   * the requests under way, for at most 5 seconds. Intake must still run meanwhile.
   */
  close(): Promise<void>
}

/** How long requests under way may take to end when the server closes. */
const CLOSE_GRACE_MS = 5_000
/** Bodies of the largest size for which there is memory at once. */
const UPLOADS_AT_ONCE = 8
const OPEN_UPLOADS_AT_ONCE = 128
/** Connections that wait to be accepted: as many as may be open, or the kernel drops them and they come again a second later. */
const BACKLOG = 16_384

/** Builds the server with all routes; nothing listens yet. */
export async function createServer(deps: HttpDeps): Promise<HttpServer> {
  const { settings, logger } = deps
  let closing = false
  const app = fastify({
    logger: false,
    bodyLimit: settings.bodyLimitBytes,
    serverFactory: (handler) =>
      createListener({
        handler: (request, response) => pushSingle(request, response, handler),
        requestTimeoutMs: settings.requestTimeoutMs,
        maxConnections: settings.maxConnections,
        leastRate: settings.leastRate,
        allowed: (path) => methods.of(path),
        logger,
        metrics: deps.metrics,
      }),
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 256 },
    // The listener answers them.
    clientErrorHandler: () => undefined,
    frameworkErrors: (error, request, reply) => answerError(error, request, reply),
  })

  const warnings = createWarnings(deps)

  function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const known = asHoldfastError(error)
    if (known.code === 'INTERNAL') {
      logger.error({ err: error, method: request.method, route: request.routeOptions.url }, 'request failed')
    } else if (known.kind === 'retry') {
      warnings.log(known, request.routeOptions.url)
    }
    deps.metrics.count('holdfast_http_problems_total', 1, { code: known.code })
    // Fastify closes the connection after a body that was not read to its end.
    reply.removeHeader('connection')
    discardBody(request.raw as GatheringRequest, reply.raw)
    if (closing || !reply.raw.shouldKeepAlive) reply.header('connection', 'close')
    reply
      .code(known.status)
      .headers(problemHeaders(known))
      .send(JSON.stringify(problemOf(known)))
  }

  app.setErrorHandler(answerError)
  // Schemas are for the reader; parsers that say more read what comes, and answers are written as they are.
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => JSON.stringify)
  app.addSchema(JSON_VALUE)
  app.decorateRequest('source', null)
  app.decorateRequest('hold', null)
  app.addHook('onSend', (request, _reply, _payload, done) => {
    request.hold?.release()
    done()
  })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-content-type-options', 'nosniff')
    if (closing) done(new HoldfastError('SHUTTING_DOWN', 'The daemon is stopping.', { retryAfter: 2 }))
    // Before its body is read.
    else if (request.is404) done(nothingAt(request.url))
    else done()
  })

  const requests = countRequests(app, deps.metrics)
  const auth = createAuth({ findSource: deps.findSource, clock: deps.clock })
  const acknowledgement = createAcknowledgement(deps.anchorBy)
  const pushSingle = createSinglePush({
    auth,
    intake: deps.intake,
    acknowledgement,
    requests,
    closing: () => closing,
  })
  const methods = watchMethods(app)
  await app.register(swagger, { openapi: DOCUMENT, refResolver: NAMED })
  await app.register(routes)
  methods.refuseOthers()
  await app.ready()

  async function routes(scope: FastifyInstance): Promise<void> {
    const withAuth = { ...deps, auth }
    const turns = createTurns()
    const uploads = createUploads(settings.bodyLimitBytes * UPLOADS_AT_ONCE)
    await scope.register(async (own) =>
      registerRecords(own, { ...withAuth, uploads, turns, acknowledgement }),
    )
    // Every other call that takes a body may be open to everyone: what strangers begin to send takes no room from ingest.
    const openBytes = Math.min(MAX_OPEN_BYTES, settings.bodyLimitBytes)
    acceptBodies(scope, ['json'], {
      bodyLimitBytes: openBytes,
      uploads: createUploads(openBytes * OPEN_UPLOADS_AT_ONCE),
    })
    registerReceipts(scope, { ...withAuth, turns })
    registerLists(scope, withAuth)
    registerStatus(scope, withAuth)
    registerEvents(scope, withAuth)
    registerOperations(scope, deps)
  }

  return {
    async listen() {
      await app.listen({ host: settings.host, port: settings.port, backlog: BACKLOG })
      const address = app.server.address()
      if (address === null || typeof address === 'string') throw new Error('the server has no TCP address')
      const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
      return `http://${host}:${address.port}`
    },
    async close() {
      closing = true
      // A client that stopped in the middle of its request would hold this up for ever: Node no longer times it out.
      const impatience = setTimeout(() => app.server.closeAllConnections(), CLOSE_GRACE_MS)
      await app.close()
      clearTimeout(impatience)
      requests.stop()
    },
  }
}

/** Logs errors that pass, each code once a second: under load there may be thousands, and metrics count them all. */
function createWarnings({ logger, clock }: Pick<HttpDeps, 'logger' | 'clock'>) {
  const loggedAt = new Map<string, number>()
  return {
    log(error: HoldfastError, route: string | undefined): void {
      const age = clock.now() - (loggedAt.get(error.code) ?? Number.NEGATIVE_INFINITY)
      if (age >= 0 && age < 1_000) return
      loggedAt.set(error.code, clock.now())
      logger.warn({ code: error.code, route, err: error.cause }, error.message)
    },
  }
}
