import { inspect } from 'node:util'
import { HoldfastError as ClientError } from 'holdfast-client'
import { hashes } from '../core/counted.ts'
import { HoldfastError } from '../core/errors.ts'
import { complain } from './terminal.ts'

/** Exit statuses of sysexits.h; 1 and 2 are verdicts. */
const USAGE = 64
const DATA_ERROR = 65
const NO_INPUT = 66
const UNAVAILABLE = 69
const INTERNAL = 70
const TEMPORARY = 75
const NO_PERMISSION = 77
const CONFIGURATION = 78

const STATUSES: Record<string, number> = {
  INVALID_REQUEST: USAGE,
  NO_INPUT,
  UNKNOWN_RECORD: UNAVAILABLE,
  NOT_FOUND: UNAVAILABLE,
  UNAUTHORIZED: NO_PERMISSION,
  FORBIDDEN: NO_PERMISSION,
  INVALID_CONFIG: CONFIGURATION,
}

/** Says on standard error what went wrong, where in the input, and returns the exit status. */
export function reportError(error: unknown): number {
  if (!(error instanceof HoldfastError) && !(error instanceof ClientError)) {
    complain(inspect(error))
    return INTERNAL
  }
  const { index, line, accepted } = error.context
  const where = line !== undefined ? ` (line ${line})` : index !== undefined ? ` (item ${index})` : ''
  complain(`${error.code}${where}: ${error.message}`)
  if (accepted === 0) complain('Nothing was stored.')
  else if (accepted !== undefined)
    complain(`${hashes(accepted)} before it ${accepted === 1 ? 'is' : 'are'} stored.`)
  if (error.code === 'UNREACHABLE')
    complain('Start a daemon there with `holdfast serve` or `holdfast dev`, or name another with --url.')
  const status = STATUSES[error.code]
  if (status !== undefined) return status
  return error.kind === 'retry' ? TEMPORARY : error.kind === 'reject' ? DATA_ERROR : INTERNAL
}

/** The exit status of a command line that commander has refused, or of `--help` and `--version`. */
export function usageStatus(exitCode: number): number {
  return exitCode === 0 ? 0 : USAGE
}
