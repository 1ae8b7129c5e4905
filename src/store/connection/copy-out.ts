import { to as copyTo } from 'pg-copy-streams'
import type { Connection } from './database.ts'

const HEADER_BYTES = 19

/**
 * Memory for results of `copyOut`, used again by each: megabytes that are allocated many times a second keep the garbage
 * collector's threads as busy as the reading. It grows to at most twice the largest result.
 */
export type CopyMemory = { bytes: Buffer }

export function createCopyMemory(): CopyMemory {
  return { bytes: Buffer.alloc(0) }
}

/**
 * Runs a query through a binary COPY and returns every row's fields as bytes (null where NULL), slices of `memory` and
 * valid until it is used again. node-postgres decodes ordinary results as text, which doubles the bytes and costs a
 * parse; this does not. The whole result is held in memory: bound it in the query, which takes no parameters.
 */
export async function copyOut(
  client: Connection,
  query: string,
  memory: CopyMemory,
): Promise<(Buffer | null)[][]> {
  let used = 0
  for await (const part of client.query(copyTo(`copy (${query}) to stdout (format binary)`))) {
    const { length } = part as Buffer
    if (used + length > memory.bytes.length) memory.bytes = grown(memory.bytes, used, used + length)
    memory.bytes.set(part as Buffer, used)
    used += length
  }
  return decode(memory.bytes.subarray(0, used))
}

function grown(bytes: Buffer, used: number, wanted: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.max(wanted, 2 * bytes.length))
  bytes.copy(larger, 0, 0, used)
  return larger
}

/** PostgreSQL's binary COPY format: a header, then per row a field count and length-prefixed fields, then -1. */
function decode(bytes: Buffer): (Buffer | null)[][] {
  const rows: (Buffer | null)[][] = []
  let at = HEADER_BYTES + bytes.readInt32BE(HEADER_BYTES - 4)
  for (let fields = bytes.readInt16BE(at); fields >= 0; fields = bytes.readInt16BE(at)) {
    at += 2
    const row: (Buffer | null)[] = []
    for (let i = 0; i < fields; i++) {
      const length = bytes.readInt32BE(at)
      at += 4
      row.push(length < 0 ? null : bytes.subarray(at, at + length))
      at += Math.max(length, 0)
    }
    rows.push(row)
  }
  return rows
}
