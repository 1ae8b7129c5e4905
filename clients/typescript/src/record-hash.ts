/** Content in, the 32-byte hash that Holdfast anchors for it out. The content stays here. */
import { sha256 } from '@noble/hashes/sha2.js'
import { canonicalJson, canonicalText, JsonError } from './canonical.ts'
import { HoldfastError } from './errors.ts'
import type { Hex } from './format.ts'
import { toHex } from './hex.ts'

/** A document, or its bytes in pieces of any size. */
export type DocumentSource =
  | Uint8Array
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | Iterable<Uint8Array>

/**
 * SHA-256 of the record's RFC 8785 canonical form in UTF-8.
 * @param record a JSON value
 * @throws HoldfastError INVALID_RECORD for what has no canonical form, and for numbers that other programs would read
 * differently from JSON text
 */
export function hashRecord(record: unknown): Hex {
  return toHex(recordHashBytes(record))
}

/** As {@link hashRecord}, as 32 bytes. */
export function recordHashBytes(record: unknown): Uint8Array {
  try {
    // By way of the text: 2^53 + 2 is a fine double, but no program must rely on reading it back.
    return sha256(new TextEncoder().encode(canonicalText(canonicalJson(record))))
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause
    throw new HoldfastError('INVALID_RECORD', cause.message, { cause })
  }
}

/** SHA-256 of a document's bytes. Streams are read piece by piece and never held whole. */
export async function hashFile(document: DocumentSource): Promise<Hex> {
  if (document instanceof Uint8Array) return toHex(sha256(document))
  const hash = sha256.create()
  for await (const piece of piecesOf(document)) hash.update(piece)
  return toHex(hash.digest())
}

/** Safari's streams cannot be iterated over. */
async function* piecesOf(document: Exclude<DocumentSource, Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = document instanceof Blob ? document.stream() : document
  if (!('getReader' in source)) {
    yield* source
    return
  }
  const reader = source.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}
