/** Hashes of any source in, slices of N x 32 bytes out: as large as they may be, and no later than they must be. */
import { HoldfastError } from '../errors.ts'
import { HASH_BYTES, type HashInput, hashBytesOf } from '../hex.ts'

/** 2 MiB a request: far under the daemon's limit, and large enough that the round trip does not matter. */
const HASHES_A_SLICE = 65_536

/** Cuts octets into slices. */
export async function* slicesOfOctets(octets: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  if (octets.length % HASH_BYTES !== 0) {
    const detail = `Hashes are ${HASH_BYTES} bytes each; ${octets.length} bytes are no whole number of them.`
    throw new HoldfastError('INVALID_HASH', detail)
  }
  const step = HASHES_A_SLICE * HASH_BYTES
  for (let from = 0; from < octets.length; from += step) yield octets.subarray(from, from + step)
}

/**
 * Gathers blocks of N x 32 bytes until a slice is full, the source pauses for `lingerMs`, or it ends. When an
 * asynchronous source throws, what came before is a slice first. The source is asked for one block ahead at most.
 */
export async function* slicesOf(
  blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  lingerMs: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const slice = createSlice()
  if (Symbol.iterator in blocks) {
    for (const block of blocks) yield* slice.add(block)
    yield* slice.rest()
    return
  }
  const source = blocks[Symbol.asyncIterator]()
  let fault: { error: unknown } | undefined
  let linger: Linger | undefined
  try {
    for (;;) {
      const next = settled(source.next())
      if (!slice.isEmpty()) linger ??= startLinger(lingerMs)
      let come = linger === undefined ? await next : await Promise.race([next, linger.late])
      if (come === 'late') {
        linger = undefined
        yield* slice.rest()
        come = await next
      }
      if ('error' in come) {
        fault = come
        break
      }
      if (come.done === true) break
      for (const full of slice.add(come.value)) {
        linger?.end()
        linger = undefined
        yield full
      }
    }
    yield* slice.rest()
  } finally {
    linger?.end()
    // Not awaited: a source that waits for its next hash would not end before it comes.
    source.return?.().catch(() => undefined)
  }
  if (fault !== undefined) throw fault.error
}

type Settled<T> = IteratorResult<T> | { error: unknown }

/** Never rejects, so that a fault waits until it is asked for. */
function settled<T>(result: Promise<IteratorResult<T>>): Promise<Settled<T>> {
  return result.catch((error: unknown) => ({ error }))
}

type Linger = { late: Promise<'late'>; end(): void }

function startLinger(ms: number): Linger {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, ms, 'late')
  })
  return { late, end: () => clearTimeout(timer) }
}

/** Every item as 32 bytes; an error names the item's index. */
export function* bytesOfEach(items: Iterable<HashInput>): Generator<Uint8Array, void, undefined> {
  let index = 0
  for (const item of items) yield hashBytesOf(item, { index: index++ })
}

export async function* bytesOfEachAsync(
  items: AsyncIterable<HashInput>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let index = 0
  for await (const item of items) yield hashBytesOf(item, { index: index++ })
}

/** Gathers blocks for one request; what is handed out is the taker's. */
function createSlice() {
  const most = HASHES_A_SLICE * HASH_BYTES
  let buffer = new Uint8Array(1_024 * HASH_BYTES)
  let length = 0

  function* rest(): Generator<Uint8Array, void, undefined> {
    if (length === 0) return
    const taken = buffer.slice(0, length)
    length = 0
    yield taken
  }

  return {
    isEmpty: () => length === 0,
    rest,
    /** Yields the slices that the block fills. */
    *add(block: Uint8Array): Generator<Uint8Array, void, undefined> {
      for (let at = 0; at < block.length; ) {
        const part = block.subarray(at, at + most - length)
        while (length + part.length > buffer.length) {
          const larger = new Uint8Array(Math.min(2 * buffer.length, most))
          larger.set(buffer)
          buffer = larger
        }
        buffer.set(part, length)
        length += part.length
        at += part.length
        if (length === most) yield* rest()
      }
    },
  }
}
