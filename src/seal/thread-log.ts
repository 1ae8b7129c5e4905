import { cloneableFields } from '../core/describe-error.ts'
import type { Logger } from '../core/ports.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** A log line on its way to the thread that writes it. */
export type LogLine = { type: 'log'; level: LogLevel; fields: object; message: string }

/** A logger that posts its lines, errors described in full, instead of writing them. */
export function createThreadLogger(post: (line: LogLine) => void, bindings: object = {}): Logger {
  const method =
    (level: LogLevel) =>
    (first: object | string, message?: string): void => {
      const fields = typeof first === 'string' ? bindings : { ...bindings, ...first }
      const text = typeof first === 'string' ? first : (message ?? '')
      post({ type: 'log', level, fields: cloneableFields(fields), message: text })
    }
  return {
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    child: (more) => createThreadLogger(post, { ...bindings, ...more }),
  }
}
