import { readFileSync } from 'node:fs'
import { HoldfastError } from '../core/errors.ts'

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
    throw new HoldfastError('INVALID_ENCODING', `${file} is not UTF-8.`, { cause })
  }
}

export function unreadable(file: string, cause: unknown): HoldfastError {
  const reason = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message
  return new HoldfastError('NO_INPUT', `${file} cannot be read: ${WORDS[reason] ?? reason}.`, { cause })
}

const WORDS: Record<string, string> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a directory',
  EACCES: 'permission denied',
}
