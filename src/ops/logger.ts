import { createRequire } from 'node:module'
import { type Level, type Logger as PinoLogger, pino } from 'pino'
import { describeError } from '../core/describe-error.ts'
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
  const pretty = readable ? optionalPretty() : undefined
  const stream =
    pretty?.({ destination: output, colorize: process.stdout.isTTY === true, sync: true }) ?? output
  const secrets = [...(options.secrets ?? [])].sort((a, b) => b.length - a.length)
  const target = pino(
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
  return withBindings(target, {})
}

/** pino-pretty where it is installed; without it, readable logs are JSON lines too. */
function optionalPretty(): typeof import('pino-pretty') | undefined {
  try {
    return createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}

/**
 * Merges a child's bindings into each call's fields, the call's first: pino writes both, and a JSON line that holds a
 * key twice is refused by strict readers and read differently by others.
 */
function withBindings(target: PinoLogger, bindings: object): Logger {
  const at = (level: Level) => (first: object | string, message?: string) => {
    if (typeof first === 'string') return target[level](withoutReserved({ ...bindings }), first)
    const fields = first instanceof Error ? { err: first } : first
    target[level](withoutReserved({ ...bindings, ...fields }), message)
  }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (more) => withBindings(target, { ...bindings, ...more }),
  }
}

/** Keys that pino writes itself. */
const RESERVED = ['level', 'time', 'msg']

function withoutReserved(fields: Record<string, unknown>): object {
  if (!RESERVED.some((key) => key in fields)) return fields
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [RESERVED.includes(key) ? `${key}_` : key, value]),
  )
}

function scrub(line: string, secrets: readonly string[]): string {
  return secrets.reduce(
    (text, secret) => (text.includes(secret) ? text.replaceAll(secret, HIDDEN) : text),
    line,
  )
}
