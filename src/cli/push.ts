import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { SingleBar } from 'cli-progress'
import { createHoldfastClient } from '../client/client.ts'
import { HoldfastError } from '../core/errors.ts'
import { apiKeyFrom } from './api-key.ts'

type Options = { url: string; key?: string; records?: boolean; files?: boolean }

/** Pushes what the files hold, or the files themselves; a bar shows progress on a terminal. */
export async function push(files: string[], options: Options): Promise<void> {
  const client = createHoldfastClient({ url: options.url, ...apiKeyFrom(options) })
  const bar = await startBar(files, options.files === true)
  let accepted = 0
  let anchorBy: string | null = null
  try {
    if (options.files) {
      const result = await client.push(hashesOf(files, bar), { onAccepted: (n) => bar.accepted(n) })
      accepted = result.accepted
      anchorBy = result.anchorBy
    } else {
      for (const file of files) {
        const before = accepted
        const result = await client.pushNdjson(bytesOf(file, bar), {
          lines: options.records ? 'records' : 'items',
          onAccepted: (n) => bar.accepted(before + n),
        })
        accepted += result.accepted
        anchorBy = result.anchorBy ?? anchorBy
      }
    }
  } finally {
    bar.stop()
  }
  console.log(`${accepted} hashes stored${anchorBy ? `, to be anchored by ${anchorBy}` : ''}.`)
}

async function* bytesOf(file: string, bar: Bar): AsyncGenerator<Uint8Array> {
  const stream = file === '-' ? process.stdin : createReadStream(file)
  try {
    for await (const piece of stream) {
      bar.read((piece as Uint8Array).length)
      yield piece as Uint8Array
    }
  } catch (cause) {
    throw unreadable(file, cause)
  }
}

/** SHA-256 of each document, printed in the form of sha256sum so that the hash can be looked up later. */
async function* hashesOf(files: readonly string[], bar: Bar): AsyncGenerator<Uint8Array> {
  for (const file of files) {
    const hash = createHash('sha256')
    try {
      await pipeline(createReadStream(file), async (source) => {
        for await (const piece of source) {
          bar.read((piece as Uint8Array).length)
          hash.update(piece as Uint8Array)
        }
      })
    } catch (cause) {
      throw unreadable(file, cause)
    }
    const digest = hash.digest()
    bar.print(`${digest.toString('hex')}  ${file}`)
    yield digest
  }
}

function unreadable(file: string, cause: unknown): HoldfastError {
  return new HoldfastError('INVALID_REQUEST', `${file} cannot be read: ${(cause as Error).message}`, {
    cause,
  })
}

type Bar = {
  read(bytes: number): void
  accepted(hashes: number): void
  print(line: string): void
  stop(): void
}

/** Bytes read of all the files' bytes, and hashes stored; nothing where standard error is no terminal. */
async function startBar(files: readonly string[], prints: boolean): Promise<Bar> {
  const print = (line: string) => console.log(line)
  if (!process.stderr.isTTY || files.includes('-') || prints) {
    return { read: () => undefined, accepted: () => undefined, print, stop: () => undefined }
  }
  let total = 0
  for (const file of files)
    total += (await stat(file).catch((cause: unknown) => Promise.reject(unreadable(file, cause)))).size
  const bar = new SingleBar({
    format: '{bar} {percentage}% | {accepted} hashes stored | {eta_formatted} left',
    stream: process.stderr,
  })
  bar.start(Math.max(total, 1), 0, { accepted: 0 })
  return {
    read: (bytes) => bar.increment(bytes),
    accepted: (hashes) => bar.update({ accepted: hashes }),
    print,
    stop: () => bar.stop(),
  }
}
