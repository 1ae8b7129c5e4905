import type { Logger } from '../../../src/core/ports.ts'

export type LogEntry = { level: string; fields: unknown; message: string }

/** Entries that a test may want to look at, also told to `onEntry`; nothing is printed. */
export function recordingLogger(onEntry: (entry: LogEntry) => void = () => {}): Logger & {
  entries: LogEntry[]
} {
  const entries: LogEntry[] = []
  const at = (level: string) => (fields: object | string, message?: string) => {
    const entry =
      typeof fields === 'string'
        ? { level, fields: {}, message: fields }
        : { level, fields, message: message ?? '' }
    entries.push(entry)
    onEntry(entry)
  }
  const logger: Logger & { entries: LogEntry[] } = {
    entries,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  }
  return logger
}
