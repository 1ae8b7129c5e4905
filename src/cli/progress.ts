import { stat } from 'node:fs/promises'
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
 * Shows how far a push is, on a terminal and nowhere else: a bar where all sizes are known, a counter where standard
 * input is among the files.
 * @throws what `stat` throws for a file that is not there
 */
export async function startProgress(
  files: readonly string[],
  stream: NodeJS.WriteStream,
  print: (line: string) => void,
): Promise<Progress> {
  if (!stream.isTTY) return { read: () => undefined, accepted: () => undefined, print, stop: () => undefined }
  const sized = !files.includes('-')
  let total = 0
  if (sized) for (const file of files) total += (await stat(file)).size
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
