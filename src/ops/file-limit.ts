import { readFileSync } from 'node:fs'

/** What POSIX promises every process at least is 20; systems give 256 and more. */
const UNKNOWN_LIMIT = 1024

/** How many files and sockets this process may have open at once (its soft RLIMIT_NOFILE). */
export function openFileLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    if (soft === 'unlimited') return Number.MAX_SAFE_INTEGER
    if (soft !== undefined) return Number(soft)
  } catch {
    // Not Linux.
  }
  // Without it, the report looks up the name of every peer.
  Object.assign(process.report, { excludeNetwork: true })
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft: number | string } } }
  const soft = Number(report.userLimits?.open_files?.soft)
  return Number.isInteger(soft) && soft > 0 ? soft : UNKNOWN_LIMIT
}
