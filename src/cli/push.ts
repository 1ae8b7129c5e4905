import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { createHoldfastClient } from '../client/client.ts'
import { HoldfastError } from '../core/errors.ts'
import { apiKeyFrom } from './api-key.ts'
import { type Progress, startProgress } from './progress.ts'
import { unreadable } from './read-file.ts'

type Options = { url: string; key?: string; records?: boolean; files?: boolean }

/** Pushes what the files hold, or the files themselves; a terminal shows how far it is. */
export async function push(files: string[], options: Options): Promise<void> {
  const client = createHoldfastClient({ url: options.url, ...apiKeyFrom(options) })
  const progress = await startProgress(files, process.stderr, (line) => console.log(line)).catch(
    (error: NodeJS.ErrnoException) => Promise.reject(unreadable(error.path ?? 'A file', error)),
  )
  let accepted = 0
  let anchorBy: string | null = null
  try {
    if (options.files) {
      const result = await client.push(hashesOf(files, progress), {
        onAccepted: (n) => progress.accepted(n),
      })
      accepted = result.accepted
      anchorBy = result.anchorBy
    } else {
      for (const file of files) {
        const before = accepted
        const result = await client
          .pushNdjson(bytesOf(file, progress), {
            lines: options.records ? 'records' : 'items',
            onAccepted: (n) => progress.accepted(before + n),
          })
          .catch((error: unknown) => Promise.reject(inFile(file, before, error)))
        accepted += result.accepted
        anchorBy = result.anchorBy ?? anchorBy
      }
    }
  } finally {
    progress.stop()
  }
  console.log(`${accepted} hashes stored${anchorBy ? `, to be anchored by ${anchorBy}` : ''}.`)
}

/** The error with the file it is in, and with what is stored of all files. */
function inFile(file: string, before: number, error: unknown): unknown {
  if (!(error instanceof HoldfastError)) return error
  const name = file === '-' ? 'standard input' : file
  return new HoldfastError(
    error.code,
    error.message.includes(name) ? error.message : `${name}: ${error.message}`,
    {
      ...error.context,
      accepted: before + (error.context.accepted ?? 0),
      cause: error,
    },
  )
}

async function* bytesOf(file: string, progress: Progress): AsyncGenerator<Uint8Array> {
  const stream = file === '-' ? process.stdin : createReadStream(file)
  try {
    for await (const piece of stream) {
      progress.read((piece as Uint8Array).length)
      yield piece as Uint8Array
    }
  } catch (cause) {
    throw unreadable(file, cause)
  }
}

/** SHA-256 of each document, printed in the form of sha256sum so that the hash can be looked up later. */
async function* hashesOf(files: readonly string[], progress: Progress): AsyncGenerator<Uint8Array> {
  for (const file of files) {
    const hash = createHash('sha256')
    try {
      await pipeline(createReadStream(file), async (source) => {
        for await (const piece of source) {
          progress.read((piece as Uint8Array).length)
          hash.update(piece as Uint8Array)
        }
      })
    } catch (cause) {
      throw unreadable(file, cause)
    }
    const digest = hash.digest()
    progress.print(`${digest.toString('hex')}  ${file}`)
    yield digest
  }
}
