import { connect, type Socket } from 'node:net'
import type pg from 'pg'

/** "Cancel", PostgreSQL's manual, "Message Formats": CancelRequest. */
const CANCEL_REQUEST = 80_877_102
const SENT_WITHIN_MS = 1_000

/**
 * Asks the server to give up what the connection's session is doing, on a connection of its own, as the protocol wants it.
 * Best effort: nobody answers, and a server that hangs does nothing. Without it a session that waits, as a commit does for
 * a synchronous standby, would outlive the connection that was closed on it, one for each attempt.
 */
export function cancelStatement(client: pg.ClientBase): void {
  const { processID, secretKey, host, port, connection } = client as unknown as {
    processID: number | null
    secretKey: number | null
    host: string
    port: number
    connection: { stream: Socket }
  }
  if (processID === null || secretKey === null) return
  const { remoteAddress, remotePort } = connection.stream
  const socket =
    remoteAddress === undefined
      ? connect({ path: `${host}/.s.PGSQL.${port}` })
      : connect({ host: remoteAddress, port: remotePort! })
  socket.on('error', () => undefined)
  socket.setTimeout(SENT_WITHIN_MS, () => socket.destroy())
  const request = Buffer.alloc(16)
  request.writeInt32BE(16, 0)
  request.writeInt32BE(CANCEL_REQUEST, 4)
  request.writeInt32BE(processID, 8)
  request.writeInt32BE(secretKey, 12)
  socket.end(request)
}
