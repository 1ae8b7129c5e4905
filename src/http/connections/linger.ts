import type { Socket } from 'node:net'

const LINGER_MS = 5_000

/**
 * Closes a connection whose last answer was written. Data that the client still sends is read meanwhile: closing with
 * unread data makes the kernel reset the connection, and the client loses the answer.
 */
export function closeSoon(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
  socket.once('close', () => clearTimeout(timer))
}
