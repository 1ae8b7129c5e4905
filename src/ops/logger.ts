import { pino } from 'pino'
import pretty from 'pino-pretty'
import { HoldfastError } from '../core/errors.ts'
import type { Logger } from '../core/ports.ts'

const HIDDEN = '[redacted]'

/** Field names that never carry anything worth printing. */
const SECRET_FIELDS = [
  'authorization',
  'password',
  'privateKey',
  'apiKey',
  'connectionString',
  'record',
  'records',
]

export type LoggerOptions = {
  level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** `auto`: readable lines when the output is a terminal, JSON lines otherwise. */
  pretty: boolean | 'auto'
  /** Texts that are replaced wherever they turn up in a line, as from `secretsOf(config)`. */
  secrets?: readonly string[]
  /** Default: standard output, written synchronously so that the last line before a crash is not lost. */
  destination?: NodeJS.WritableStream
}

/**
 * pino with two nets against leaks: fields named like secrets are masked, and known secrets are cut out of the
 * finished line, wherever a library put them. Errors are logged with code, message, causes and stack; what else
 * hangs on them (RPC libraries attach whole requests) is left out.
 */
export function createLogger(options: LoggerOptions): Logger {
  const readable = options.pretty === true || (options.pretty === 'auto' && process.stdout.isTTY === true)
  const output = options.destination ?? pino.destination({ dest: 1, sync: true })
  const stream = readable
    ? pretty({
        destination: output,
        colorize: process.stdout.isTTY === true,
        sync: true,
      })
    : output
  const secrets = [...(options.secrets ?? [])].sort((a, b) => b.length - a.length)
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
        censor: HIDDEN,
      },
      serializers: { err: describeError, error: describeError },
      ...(secrets.length > 0 && { hooks: { streamWrite: (line: string) => scrub(line, secrets) } }),
    },
    stream,
  )
}

function scrub(line: string, secrets: readonly string[]): string {
  return secrets.reduce(
    (text, secret) => (text.includes(secret) ? text.replaceAll(secret, HIDDEN) : text),
    line,
  )
}

type DescribedError = {
  type: string
  code?: unknown
  message: string
  context?: object
  stack?: string
  cause?: DescribedError
}

function describeError(error: unknown, depth = 0): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) }
  const code = (error as { code?: unknown }).code
  return {
    type: error.name,
    ...(code !== undefined && { code }),
    message: error.message,
    ...(error instanceof HoldfastError &&
      Object.keys(error.context).length > 0 && { context: error.context }),
    ...(error.stack !== undefined && depth === 0 && { stack: error.stack }),
    ...(error.cause !== undefined && depth < 4 && { cause: describeError(error.cause, depth + 1) }),
  }
}
