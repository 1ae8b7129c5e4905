/**
 * Counts the ticks of an every-second schedule: `count-ticks.ts <RFC 3339 start> <milliseconds>`, in the zone of TZ.
 * Every `Date` of the process starts at that instant and advances at the pace of the real clock.
 */
const [, , startsAt, forMs] = process.argv
const RealDate = Date
const offset = RealDate.parse(startsAt!) - RealDate.now()
globalThis.Date = class extends RealDate {
  constructor(...parts: [] | [number]) {
    super(parts.length === 0 ? RealDate.now() + offset : parts[0])
  }
  static override now(): number {
    return RealDate.now() + offset
  }
} as unknown as DateConstructor

const { noMetrics } = await import('../../../src/core/metrics.ts')
const { systemClock } = await import('../../../src/core/ports.ts')
const { createLogger } = await import('../../../src/ops/logger.ts')
const { scheduleTick } = await import('../../../src/ops/tick.ts')

let ticks = 0
scheduleTick({
  name: 'zone',
  cron: '* * * * * *',
  clock: systemClock,
  logger: createLogger({ level: 'silent', pretty: false }),
  metrics: noMetrics,
  run: async () => void ticks++,
})
setTimeout(() => {
  process.stdout.write(String(ticks), () => process.exit(0))
}, Number(forMs))
