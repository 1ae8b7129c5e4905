import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { HoldfastError } from 'holdfast-client'
import { shownFile } from './terminal.ts'

/**
 * The file's text; `-` is standard input.
 * @throws HoldfastError NO_INPUT when it cannot be read, INVALID_ENCODING when it is not UTF-8
 */
export function readTextFile(file: string): string {
  let bytes: Buffer
  try {
    bytes = readFileSync(file === '-' ? 0 : file)
  } catch (cause) {
    throw unreadable(file, cause)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new HoldfastError('INVALID_ENCODING', `${shownFile(file)} is not UTF-8.`, { cause })
  }
}

/**
 * Passes when every file can be read, before anything is done with the first; `-` is standard input.
 * @throws HoldfastError NO_INPUT; INVALID_REQUEST when standard input is named twice
 */
export function requireReadable(files: readonly string[]): void {
  if (files.filter((file) => file === '-').length > 1)
    throw new HoldfastError('INVALID_REQUEST', 'Standard input (-) can be read once; it is named twice.')
  for (const file of files) {
    if (file === '-') continue
    try {
      if (statSync(file).isDirectory()) throw Object.assign(new Error('a directory'), { code: 'EISDIR' })
      accessSync(file, constants.R_OK)
    } catch (cause) {
      throw unreadable(file, cause)
    }
  }
}

export function unreadable(file: string, cause: unknown): HoldfastError {
  const reason = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message
  return new HoldfastError('NO_INPUT', `${shownFile(file)} cannot be read: ${WORDS[reason] ?? reason}.`, {
    kind: 'reject',
    cause,
  })
}

const WORDS: Record<string, string> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a directory; name the files in it',
  EACCES: 'permission denied',
}
