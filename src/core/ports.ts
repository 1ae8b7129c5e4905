/** What every room receives instead of reaching for it. */

export type Clock = {
  /** Milliseconds since the Unix epoch. */
  now(): number
}

type LogMethod = {
  (fields: object, message?: string): void
  (message: string): void
}

/** The part of pino that rooms use. */
export type Logger = {
  debug: LogMethod
  info: LogMethod
  warn: LogMethod
  error: LogMethod
  child(bindings: object): Logger
}

export const systemClock: Clock = { now: () => Date.now() }
