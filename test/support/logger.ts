import type { Logger } from '../../src/core/ports.ts'

const nothing = (): void => undefined

/** For tests that do not look at logs. */
export const silentLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLogger,
}
