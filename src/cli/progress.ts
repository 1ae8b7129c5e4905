import { statSync } from 'node:fs'
import { SingleBar } from 'cli-progress'

export type Progress = {
  read(bytes: number): void
  /** @param hashes stored so far, all files together */
  accepted(hashes: number): void
  /** Writes a line of the result, above the progress. */
  print(line: string): void
  stop(): void
}

/**
 * Shows how far a push is, on a terminal and nowhere else: a bar where the size of every file is known, else a counter,
 * as for standard input and pipes.
 * @throws what `stat` throws for a file that is not there
 */
export function startProgress(
  files: readonly string[],
  stream: NodeJS.WriteStream,
  print: (line: string) => void,
): Progress {
  if (!stream.isTTY) return { read: () => undefined, accepted: () => undefined, print, stop: () => undefined }
  const sizes = files.map((file) => (file === '-' ? null : sizeOf(file)))
  const sized = !sizes.includes(null)
  const total = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
  const bar = new SingleBar({
    format: sized
      ? '{bar} {percentage}% | {accepted} hashes stored | {eta_formatted} left'
      : '{accepted} hashes stored | {value} bytes read',
    stream,
  })
  bar.start(Math.max(total, 1), 0, { accepted: 0 })
  return {
    read: (bytes) => bar.increment(bytes),
    accepted: (hashes) => bar.update({ accepted: hashes }),
    print(line) {
      // The line takes the progress's place; that is drawn again below it with the next change.
      stream.write('\r\u001b[K')
      print(line)
    },
    stop: () => bar.stop(),
  }
}

/** In octets; null for what is no regular file. */
function sizeOf(file: string): number | null {
  const found = statSync(file)
  return found.isFile() ? found.size : null
}
