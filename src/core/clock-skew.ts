/** Limits on how far this machine's clock may be from another's, ms; receipts and deadlines follow the database's clock. */
export const CLOCK_WARN_MS = 2_000
export const CLOCK_FAIL_MS = 60_000

/** @param aheadMs how far this machine's clock is ahead of the other's; negative when behind */
export function describeSkew(aheadMs: number, other: string): string {
  const off = Math.abs(aheadMs)
  if (off < CLOCK_WARN_MS) return `within ${CLOCK_WARN_MS / 1000} s of ${other}`
  return `${Math.round(off / 1000)} s ${aheadMs < 0 ? 'behind' : 'ahead of'} ${other}`
}
