// Prints "<passed> <failed>" of a suite's report, vitest's JSON. A suite that failed without a failed test, or that left
// no report, counts as one failure.
import { existsSync, readFileSync } from 'node:fs'

const [report, status] = process.argv.slice(2)
const { numPassedTests: passed, numFailedTests: failed } = existsSync(report)
  ? JSON.parse(readFileSync(report, 'utf8'))
  : { numPassedTests: 0, numFailedTests: 0 }
console.log(`${passed} ${failed > 0 || status === '0' ? failed : 1}`)
