import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type HoldfastClient, HoldfastError, type PushResult } from 'holdfast-client'
import { hashes } from '../core/counted.ts'
import { clientFor } from './daemon-client.ts'
import { type Progress, startProgress } from './progress.ts'
import { requireReadable, unreadable } from './read-file.ts'
import { print, shownFile } from './terminal.ts'

type Options = { url: string; key?: string; records?: boolean; files?: boolean }

/**
 * Pushes what the files hold, or the files themselves; a terminal shows how far it is. The hash of each document or
 * record is printed once it is stored, so that it can be looked up later.
 */
export async function push(files: string[], options: Options): Promise<void> {
  requireReadable(files)
  const client = clientFor(options)
  const progress = startProgress(files, process.stderr, print)
  let done: PushResult = { accepted: 0, receivedAt: null, anchorBy: null }
  try {
    if (options.files) {
      const stored = printedWhenStored(progress)
      done = await client.push(hashesOf(files, progress, stored.add), { onAccepted: stored.accepted })
    } else {
      for (const file of files) done = await pushLines(client, file, options, progress, done)
    }
  } finally {
    progress.stop()
  }
  print(`${hashes(done.accepted)} stored${done.anchorBy ? `, to be anchored by ${done.anchorBy}` : ''}.`)
}

async function pushLines(
  client: HoldfastClient,
  file: string,
  options: Options,
  progress: Progress,
  before: PushResult,
): Promise<PushResult> {
  const stored = printedWhenStored(progress, before.accepted)
  const result = await client
    .pushLines(bytesOf(file, progress), {
      lines: options.records ? 'records' : 'items',
      ...(options.records && {
        onHash: (hash, line) => stored.add(`${hexOf(hash)}  ${shownFile(file)}:${line}`),
      }),
      onAccepted: stored.accepted,
    })
    .catch((error: unknown) => Promise.reject(inFile(file, before.accepted, error)))
  return {
    ...result,
    accepted: before.accepted + result.accepted,
    anchorBy: result.anchorBy ?? before.anchorBy,
  }
}

/** Holds each hash's line back until the daemon has acknowledged it. */
function printedWhenStored(progress: Progress, before = 0) {
  const waiting: string[] = []
  let printed = 0
  return {
    add: (line: string) => void waiting.push(line),
    accepted(count: number) {
      for (const line of waiting.splice(0, count - printed)) progress.print(line)
      printed = count
      progress.accepted(before + count)
    },
  }
}

/** The error with the file it is in, and with what is stored of all files. */
function inFile(file: string, before: number, error: unknown): unknown {
  if (!(error instanceof HoldfastError)) return error
  const { code, kind, status, context } = error
  const name = file === '-' ? 'standard input' : shownFile(file)
  const message = error.message.includes(name) ? error.message : `${name}: ${error.message}`
  const accepted = before + (context.accepted ?? 0)
  return new HoldfastError(code, message, { ...context, kind, status, accepted, cause: error })
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

/** SHA-256 of each document; `onHash` takes a line in the form of sha256sum. */
async function* hashesOf(
  files: readonly string[],
  progress: Progress,
  onHash: (line: string) => void,
): AsyncGenerator<Uint8Array> {
  for (const file of files) {
    const hash = createHash('sha256')
    for await (const piece of bytesOf(file, progress)) hash.update(piece)
    const digest = hash.digest()
    onHash(`${hexOf(digest)}  ${shownFile(file)}`)
    yield digest
  }
}

function hexOf(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.length).toString('hex')
}
