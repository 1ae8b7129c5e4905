import type { Socket } from 'node:net'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'

/** One column of a binary COPY row, as the table declares it. */
export type CopyField =
  | { int2: number }
  | { int4: number }
  | { int8: number }
  | { timestamptzMs: number }
  | { bytea: Uint8Array }
  | null

export type CopyWriter = {
  /** Adds a row. Rows pile up in memory unless `ready()` is awaited every few hundred kilobytes. */
  row(fields: readonly CopyField[]): void
  /** Resolves once the connection can take more. */
  ready(): Promise<void>
  /** Ends the COPY; the rows are part of the connection's transaction. */
  end(): Promise<void>
}

/** Signature, flags and extension length of PostgreSQL's binary COPY format (documentation of COPY, "Binary Format"). */
const HEADER = Buffer.from('5047434f50590aff0d0a000000000000000000', 'hex')
const TRAILER = Buffer.from([0xff, 0xff])
const BUFFER_BYTES = 256 * 1024
/** Microseconds between the Unix epoch and PostgreSQL's, 2000-01-01. */
const EPOCH_SHIFT_US = 946_684_800_000_000n

/**
 * Opens a binary COPY into a table on a connection that is in a transaction. The connection can run nothing else
 * until `end()`; an error surfaces from the next `row()` or from `end()`.
 * @param bufferBytes sent at a time: the server works through them in one go, and the sender waits once for each
 */
export function openCopy(
  client: pg.ClientBase,
  table: string,
  columns: readonly string[],
  bufferBytes = BUFFER_BYTES,
): CopyWriter {
  const stream = client.query(copyFrom(`copy ${table} (${columns.join(', ')}) from stdin (format binary)`))
  let failure: Error | undefined
  stream.on('error', (error) => {
    failure ??= error
  })
  const socket = (client as unknown as { connection: { stream: Socket } }).connection.stream
  /** Buffers that the socket no longer holds. Filling them again saves a tenth of the time of sealing. */
  const spare: Buffer[] = []
  let buffer: Buffer = Buffer.allocUnsafe(bufferBytes)
  let used = HEADER.copy(buffer)

  let mustDrain = false

  function makeRoom(bytes: number): void {
    if (used + bytes <= buffer.length) return
    if (failure) throw failure
    const sent = buffer
    mustDrain = !stream.write(sent.subarray(0, used), () => {
      // pg-copy-streams may call back before the socket has passed the bytes on.
      if (sent.length === bufferBytes && socket.writableLength === 0) spare.push(sent)
    })
    const wanted = Math.max(bufferBytes, bytes)
    buffer = (wanted === bufferBytes ? spare.pop() : undefined) ?? Buffer.allocUnsafe(wanted)
    used = 0
  }

  return {
    row(fields) {
      let bytes = 2
      for (const field of fields) bytes += 4 + sizeOf(field)
      makeRoom(bytes)
      used = buffer.writeInt16BE(fields.length, used)
      for (const field of fields) used = writeField(buffer, used, field)
    },
    async ready() {
      if (failure) throw failure
      if (!mustDrain) return
      await new Promise<void>((resolve, reject) => {
        const settle = () => {
          stream.off('drain', settle)
          stream.off('error', settle)
          if (failure) reject(failure)
          else resolve()
        }
        stream.on('drain', settle)
        stream.on('error', settle)
      })
      mustDrain = false
    },
    async end() {
      makeRoom(TRAILER.length)
      used += TRAILER.copy(buffer, used)
      if (failure) throw failure
      await new Promise<void>((resolve, reject) => {
        stream.on('error', reject)
        stream.on('finish', resolve)
        stream.end(buffer.subarray(0, used))
      })
    },
  }
}

function sizeOf(field: CopyField): number {
  if (field === null) return 0
  if ('bytea' in field) return field.bytea.length
  if ('int2' in field) return 2
  return 'int4' in field ? 4 : 8
}

function writeField(buffer: Buffer, at: number, field: CopyField): number {
  if (field === null) return buffer.writeInt32BE(-1, at)
  const start = buffer.writeInt32BE(sizeOf(field), at)
  if ('bytea' in field) {
    buffer.set(field.bytea, start)
    return start + field.bytea.length
  }
  if ('int2' in field) return buffer.writeInt16BE(field.int2, start)
  if ('int4' in field) return buffer.writeInt32BE(field.int4, start)
  if ('int8' in field) return buffer.writeBigInt64BE(BigInt(field.int8), start)
  return buffer.writeBigInt64BE(BigInt(Math.round(field.timestamptzMs)) * 1000n - EPOCH_SHIFT_US, start)
}
