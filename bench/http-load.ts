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

const READ_BYTES = 64 * 1024
const HEAD_END = '\r\n\r\n'

/** The body can be read until it returns. */
type Answered = (status: number, body: () => string, error?: Error) => void

type Connection = {
  ask(request: readonly Uint8Array[], answered: Answered): void
  close(): void
}

async function openConnection(host: string, port: number): Promise<Connection> {
  let answered: Answered | undefined
  /** What has come of an answer that is not complete. */
  let held: Buffer | undefined
  let head: AnswerHead | undefined

  const fail = (error: Error) => {
    const tell = answered
    answered = undefined
    tell?.(0, () => '', error)
  }
  // Into one buffer that is used again: a stream would make one for each answer.
  const socket: Socket = connect({
    host,
    port,
    noDelay: true,
    onread: {
      buffer: Buffer.allocUnsafe(READ_BYTES),
      callback(length, buffer) {
        const chunk = (buffer as Buffer).subarray(0, length)
        const bytes = held === undefined ? chunk : Buffer.concat([held, chunk])
        if (!isHeadOf(head, bytes)) head = readHead(bytes)
        if (head === undefined || bytes.length < head.bytes.length + head.bodyBytes) {
          held = bytes === chunk ? Buffer.from(chunk) : bytes
          return true
        }
        held = undefined
        const { status, bodyBytes } = head
        if (Number.isNaN(bodyBytes)) {
          fail(new Error('an answer without content-length'))
          return false
        }
        const bodyAt = head.bytes.length
        const tell = answered
        answered = undefined
        tell?.(status, () => bytes.toString('utf8', bodyAt))
        return true
      },
    },
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the server closed the connection')))
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

type AnswerHead = { bytes: Buffer; status: number; bodyBytes: number }

/** Answers of one route begin with the same bytes for as long as their second lasts. */
function isHeadOf(head: AnswerHead | undefined, answer: Buffer): head is AnswerHead {
  const length = head?.bytes.length ?? 0
  return length > 0 && answer.length >= length && head!.bytes.compare(answer, 0, length) === 0
}

/** @returns undefined while the head is not complete */
function readHead(answer: Buffer): AnswerHead | undefined {
  const end = answer.indexOf(HEAD_END)
  if (end < 0) return undefined
  const bytes = Buffer.from(answer.subarray(0, end + HEAD_END.length))
  const text = bytes.toString('latin1')
  return {
    bytes,
    status: Number(text.slice(9, 12)),
    bodyBytes: Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1]),
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
