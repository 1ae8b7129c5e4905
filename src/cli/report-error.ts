import { HoldfastError } from '../core/errors.ts'

/** Says on standard error what went wrong, where in the input, and returns the exit status. */
export function reportError(error: unknown): number {
  if (!(error instanceof HoldfastError)) {
    console.error(error)
    return 70
  }
  const { index, line, accepted } = error.context
  const where = line !== undefined ? ` (line ${line})` : index !== undefined ? ` (item ${index})` : ''
  console.error(`${error.code}${where}: ${error.message}`)
  if (accepted !== undefined) console.error(`${accepted} hashes before it are stored.`)
  return error.kind === 'retry' ? 75 : 1
}
