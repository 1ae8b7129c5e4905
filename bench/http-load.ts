/**
 * A load generator over raw sockets: keep-alive connections, one request at a time on each. On two cores a general
 * one (autocannon) takes more time a request than the server it is to measure.
 */
import { connect, type Socket } from 'node:net'
import { quantile } from './figure.ts'

/** One HTTP request, ready to be written; null: there is nothing more to send. */
export type NextRequest = (index: number) => readonly Uint8Array[] | null

export type LoadResult = {
  requests: number
  seconds: number
  perSecond: number
  p50Ms: number
  p99Ms: number
  /** Answers 503 with Retry-After, sent again later. */
  refused: number
}

/**
 * Sends requests until `next` gives null or `seconds` have passed, and waits for the last answers.
 * @param ratePerSecond sends on a schedule instead of as fast as answers come; latency then counts from the instant
 *   at which a request was due, so that waiting for a free connection is part of it
 * @throws when an answer is neither 2xx, 404 nor 503
 */
export async function load(options: {
  url: string
  connections: number
  next: NextRequest
  seconds?: number
  ratePerSecond?: number
}): Promise<LoadResult> {
  const { connections, next, ratePerSecond } = options
  const { hostname, port } = new URL(options.url)
  const latencies: number[] = []
  const idle: Connection[] = []
  let index = 0
  let refused = 0
  let failure: Error | undefined
  let busy = 0
  let onEnd: () => void = () => undefined
  const opened = await Promise.all(
    Array.from({ length: connections }, () => openConnection(hostname, Number(port))),
  )

  const startedAt = performance.now()
  const endAt = startedAt + (options.seconds ?? Number.POSITIVE_INFINITY) * 1000
  const ended = new Promise<void>((resolve) => {
    onEnd = resolve
  })
  let exhausted = false
  let lastAnswerAt = startedAt

  /** @returns false when there is nothing more to send */
  function send(connection: Connection, dueAt: number): boolean {
    const request = exhausted || failure ? null : next(index)
    if (request === null) {
      exhausted = true
      return false
    }
    index++
    busy++
    connection.ask(request, (status, body, error) => {
      const now = performance.now()
      busy--
      lastAnswerAt = now
      if (error) failure ??= error
      else if (status === 503) refused++
      else if ((status >= 200 && status < 300) || status === 404) latencies.push(now - dueAt)
      else failure ??= new Error(`status ${status}: ${body()}`)
      if (ratePerSecond !== undefined) idle.push(connection)
      else if (now < endAt) send(connection, now)
      if (busy === 0 && (exhausted || failure || now >= endAt)) onEnd()
    })
    return true
  }

  if (ratePerSecond === undefined) {
    for (const connection of opened) if (!send(connection, performance.now())) break
    if (busy === 0) onEnd()
    await ended
  } else {
    idle.push(...opened)
    let due = 0
    while (!exhausted && !failure && performance.now() < endAt) {
      const shouldHave = Math.floor(((performance.now() - startedAt) / 1000) * ratePerSecond)
      while (due < shouldHave && idle.length > 0) {
        if (!send(idle.pop()!, startedAt + (due / ratePerSecond) * 1000)) break
        due++
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    exhausted = true
    if (busy > 0) await ended
  }
  for (const connection of opened) connection.close()
  if (failure) throw failure
  const seconds = (lastAnswerAt - startedAt) / 1000
  return {
    requests: latencies.length,
    seconds,
    perSecond: latencies.length / seconds,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    refused,
  }
}

type Answered = (status: number, body: () => string, error?: Error) => void

type Connection = {
  ask(request: readonly Uint8Array[], answered: Answered): void
  close(): void
}

async function openConnection(host: string, port: number): Promise<Connection> {
  const socket: Socket = connect({ host, port, noDelay: true })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  let answered: Answered | undefined
  let held: Buffer | undefined
  /** Bytes of the answer that is coming, head included; 0 while its head is not complete. */
  let expected = 0
  let bodyAt = 0
  let status = 0

  const fail = (error: Error) => {
    const tell = answered
    answered = undefined
    tell?.(0, () => '', error)
  }
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the server closed the connection')))
  socket.on('data', (chunk) => {
    const bytes = held === undefined ? chunk : Buffer.concat([held, chunk])
    held = bytes
    if (expected === 0) {
      const headEnd = bytes.indexOf('\r\n\r\n')
      if (headEnd < 0) return
      const length = /\r\ncontent-length: *(\d+)/i.exec(bytes.toString('latin1', 0, headEnd))?.[1]
      if (length === undefined) return fail(new Error('an answer without content-length'))
      status = Number(bytes.toString('latin1', 9, 12))
      bodyAt = headEnd + 4
      expected = bodyAt + Number(length)
    }
    if (bytes.length < expected) return
    held = undefined
    expected = 0
    const tell = answered
    answered = undefined
    tell?.(status, () => bytes.toString('utf8', bodyAt))
  })
  return {
    ask(request, done) {
      answered = done
      if (request.length === 1) socket.write(request[0]!)
      else {
        socket.cork()
        for (const part of request) socket.write(part)
        socket.uncork()
      }
    },
    close: () => socket.destroy(),
  }
}

/** The head of a request, for a body of that many bytes. */
export function requestHead(what: {
  method: 'GET' | 'POST'
  path: string
  apiKey?: string
  contentType?: string
  bodyBytes?: number
}): Buffer {
  const lines = [`${what.method} ${what.path} HTTP/1.1`, 'host: 127.0.0.1']
  if (what.apiKey !== undefined) lines.push(`authorization: Bearer ${what.apiKey}`)
  if (what.contentType !== undefined) lines.push(`content-type: ${what.contentType}`)
  if (what.bodyBytes !== undefined) lines.push(`content-length: ${what.bodyBytes}`)
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
}
