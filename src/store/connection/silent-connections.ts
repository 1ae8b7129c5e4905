import type { Socket } from 'node:net'
import type pg from 'pg'
import { cancelStatement } from './cancel.ts'

/** How many times a connection is looked at until it counts as silent. */
const LOOKS = 16

/**
 * Closes a connection of `pool` that is in use and on which the server, hung or cut off, has sent nothing for `afterMs`;
 * up to a sixteenth later. Whoever waits for its answer gets an error that says "Connection terminated"; whether the
 * statement was done is not known. What the server may take for a statement must be less.
 *
 * All connections have one timer together. pg's own `query_timeout` has one for each statement, which V8 does not free
 * with the young objects: collecting them took three times as long, and the whole heap was collected for it.
 */
export function closeSilentConnections(pool: pg.Pool, afterMs: number): { stop(): void } {
  /** `looks`: in a row, while it was in use, at which nothing more had come. */
  type Watched = { inUse: boolean; looks: number; bytesRead: number }
  const watched = new Map<pg.PoolClient, Watched>()
  const use = (client: pg.PoolClient, inUse: boolean) => {
    const connection = watched.get(client)
    if (connection !== undefined) connection.inUse = inUse
  }

  pool.on('connect', (client) => watched.set(client, { inUse: false, looks: 0, bytesRead: 0 }))
  pool.on('remove', (client) => watched.delete(client as pg.PoolClient))
  pool.on('acquire', (client) => use(client, true))
  pool.on('release', (_error, client) => use(client, false))

  // Looks are counted, not time: a process that stood still itself has heard nothing either.
  const timer = setInterval(() => {
    for (const [client, watch] of watched) {
      if (!watch.inUse) continue
      const { stream } = (client as unknown as { connection: { stream: Socket } }).connection
      watch.looks = stream.bytesRead === watch.bytesRead ? watch.looks + 1 : 0
      watch.bytesRead = stream.bytesRead
      if (watch.looks > LOOKS) {
        cancelStatement(client)
        stream.destroy(new Error(`Connection terminated: the server has sent nothing for ${afterMs} ms`))
      }
    }
  }, afterMs / LOOKS)
  timer.unref()
  return { stop: () => clearInterval(timer) }
}
