/**
 * When cron expressions fire, in UTC. node-cron parses the expression and matches days; everything that depends on a
 * clock or a time zone is computed here with UTC arithmetic. node-cron's own scheduler rounds in the process's zone,
 * and stops for the hour that a change from summer time repeats.
 */
import cron from 'node-cron'

const DAY_MS = 86_400_000
const HORIZON_DAYS = 366 * 100

/** Fields of a six-field expression, with the number of values that `*` stands for. */
const FIELDS = [
  { name: 'second', size: 60 },
  { name: 'minute', size: 60 },
  { name: 'hour', size: 24 },
  { name: 'day of month', size: 31 },
  { name: 'month', size: 12 },
  { name: 'day of week', size: 7 },
] as const

/** Why the expression cannot be used, as a clause that follows "expected …"; undefined when it can. */
export function cronFault(expression: string): string | undefined {
  const verdict = cron.validateDetailed(expression)
  if (!verdict.valid) {
    const why = verdict.errors.map(({ field, message }) => `${field}: ${message}`).join('; ')
    return `expected a cron expression such as "*/10 * * * *" or, with seconds, "*/10 * * * * *" (${why})`
  }
  const written = expression.trim().split(/\s+/)
  // A nickname such as @hourly has one field.
  if (written.length >= 5) {
    const fields = written.length === 5 ? ['0', ...written] : written
    const fault = longStep(fields) ?? twoDayFields(fields)
    if (fault !== undefined) return fault
  }
  try {
    nextRunAfter(expression)(Date.now())
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return 'expected a cron expression that fires at least once a century'
  }
  return undefined
}

/** A step of 90 in the minutes fires at minute 0 of every hour, never every 90 minutes. */
function longStep(fields: readonly string[]): string | undefined {
  for (const [i, field] of fields.entries()) {
    const { name, size } = FIELDS[i]!
    for (const item of field.split(',')) {
      const [, from, to, step] = /^(?:\*|(\d+)-(\d+))\/(\d+)$/.exec(item) ?? []
      if (step === undefined) continue
      const span = from === undefined ? size : ((Number(to) - Number(from) + size) % size) + 1
      if (Number(step) <= span) continue
      return `expected a step of at most ${span} in ${JSON.stringify(item)}: cron starts each ${name} field anew, so a longer step fires at its first ${name} only`
    }
  }
  return undefined
}

/** crontab(5) fires when either day field matches, node-cron when both do: an expression must not depend on which. */
function twoDayFields(fields: readonly string[]): string | undefined {
  const restricted = (field: string) => !/^[*?]/.test(field)
  const [, , , dayOfMonth, , dayOfWeek] = fields as [string, string, string, string, string, string]
  if (!restricted(dayOfMonth) || !restricted(dayOfWeek)) return undefined
  return `expected * for the day of month (${dayOfMonth}) or for the day of week (${dayOfWeek}): crontab fires on either day, other schedulers on both`
}

/**
 * The first time after an instant at which a cron expression fires, in UTC.
 * @returns a function from ms since the epoch to ms since the epoch, strictly later; it throws RangeError when the
 *   expression does not fire within 100 years
 */
export function nextRunAfter(expression: string): (afterMs: number) => number {
  const fields = cron.parse(expression)
  const ascending = (values: readonly number[]) => [...values].sort((a, b) => a - b)
  const [hours, minutes, seconds] = [fields.hour, fields.minute, fields.second].map(ascending)
  const matcher = cron.createTask(expression, () => undefined, { timezone: 'UTC' })
  void matcher.destroy()
  const firstOfDay = ((hours![0]! * 60 + minutes![0]!) * 60 + seconds![0]!) * 1000

  function firstOn(dayMs: number, afterMs: number): number | undefined {
    for (const hour of hours!) {
      if (dayMs + (hour + 1) * 3_600_000 <= afterMs) continue
      for (const minute of minutes!) {
        if (dayMs + (hour * 60 + minute + 1) * 60_000 <= afterMs) continue
        for (const second of seconds!) {
          const at = dayMs + ((hour * 60 + minute) * 60 + second) * 1000
          if (at > afterMs) return at
        }
      }
    }
    return undefined
  }

  return (afterMs) => {
    const today = Math.floor(afterMs / DAY_MS) * DAY_MS
    for (let day = 0; day < HORIZON_DAYS; day++) {
      const dayMs = today + day * DAY_MS
      if (!fields.month.includes(new Date(dayMs).getUTCMonth() + 1)) continue
      if (!matcher.match(new Date(dayMs + firstOfDay))) continue
      const found = firstOn(dayMs, afterMs)
      if (found !== undefined) return found
    }
    throw new RangeError(`cron expression ${expression} never fires`)
  }
}

/**
 * When a record must be anchored by: the next run strictly after its arrival, plus `anchorWithinMs`. Asking again for
 * an instant before the same run costs two comparisons.
 */
export function createDeadline(options: {
  cron: string
  anchorWithinMs: number
}): (receivedAtMs: number) => number {
  const next = nextRunAfter(options.cron)
  let from = 0
  let until = 0
  return (receivedAtMs) => {
    if (receivedAtMs < from || receivedAtMs >= until) {
      until = next(receivedAtMs)
      from = receivedAtMs
    }
    return until + options.anchorWithinMs
  }
}
