/** Requests as no HTTP library sends them, over raw sockets. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export type RawRequest = {
  method?: string
  path: string
  type?: string
  key?: string | undefined
  /** Announced, whatever is sent; left out for chunked encoding. */
  length?: number
  headers?: Record<string, string>
}

export type RawConnection = {
  socket: Socket
  /** What the server sent, up to {@link KEPT_CHARACTERS} or a little more. */
  answer(): string
  status(): number | undefined
  head(request: RawRequest): void
  closed: Promise<void>
}

const KEPT_CHARACTERS = 65_536

/** @param from a loopback address, to be seen as one client among several */
export async function openRaw(url: string, from = '127.0.0.1'): Promise<RawConnection> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), localAddress: from, noDelay: true })
  let answer = ''
  socket.setEncoding('latin1').on('data', (text) => {
    if (answer.length < KEPT_CHARACTERS) answer += text
  })
  socket.on('error', () => socket.destroy())
  const closed = once(socket, 'close').then(() => undefined)
  await Promise.race([once(socket, 'connect'), closed])
  return {
    socket,
    answer: () => answer,
    status: () => (/^HTTP\/1\.1 (\d{3})/.exec(answer) ? Number(answer.slice(9, 12)) : undefined),
    head(request) {
      socket.write(headOf(request))
    },
    closed,
  }
}

function headOf({ method = 'POST', path, type, key, length, headers = {} }: RawRequest): string {
  return [
    `${method} ${path} HTTP/1.1`,
    'host: x',
    ...(key === undefined ? [] : [`authorization: Bearer ${key}`]),
    ...(type === undefined ? [] : [`content-type: ${type}`]),
    length === undefined ? 'transfer-encoding: chunked' : `content-length: ${length}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    '\r\n',
  ].join('\r\n')
}

/** The bytes in chunked encoding, one byte a chunk, without the end. */
export function oneByteChunks(body: Buffer): Buffer {
  const encoded = Buffer.alloc(body.length * 6, '1\r\n.\r\n')
  for (let i = 0; i < body.length; i++) encoded[i * 6 + 3] = body[i]!
  return encoded
}

/** Writes as fast as the socket takes it, for as long as it stands. */
export async function writeAll(socket: Socket, bytes: Buffer, pieceBytes = 64 * 1024): Promise<void> {
  for (let at = 0; at < bytes.length && !socket.destroyed; at += pieceBytes) {
    if (socket.write(bytes.subarray(at, at + pieceBytes))) continue
    await Promise.race([once(socket, 'drain'), once(socket, 'close')])
  }
}
