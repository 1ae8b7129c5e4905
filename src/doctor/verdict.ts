import { CLOCK_FAIL_MS, CLOCK_WARN_MS, describeSkew } from '../core/clock-skew.ts'

export type Level = 'ok' | 'warn' | 'fail'
/** `todo`: what to do about it; null when all is well. */
export type Verdict = { level: Level; detail: string; todo: string | null }
export type Finding = Verdict & { name: string }
export type Check = { name: string; run: () => Promise<Verdict> }

export const ok = (detail: string): Verdict => ({ level: 'ok', detail, todo: null })
export const warn = (detail: string, todo: string): Verdict => ({ level: 'warn', detail, todo })
export const fail = (detail: string, todo: string): Verdict => ({ level: 'fail', detail, todo })

/** @param aheadMs how much this machine's clock is ahead of the other's */
export function judgeClock(aheadMs: number, other: string): Verdict {
  const off = Math.abs(aheadMs)
  const text = describeSkew(aheadMs, other)
  if (off < CLOCK_WARN_MS) return ok(text)
  const todo =
    'Keep both clocks by NTP: receipts state times by the database’s clock, and ticks come by this machine’s.'
  return off < CLOCK_FAIL_MS ? warn(text, todo) : fail(text, todo)
}

export function seconds(ms: number): string {
  const s = Math.round(ms / 1000)
  if (s < 120) return `${s} s`
  return s < 7_200 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3_600)} h`
}
