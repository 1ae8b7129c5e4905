// Prints "<passed> <failed>" of a suite's report: vitest's JSON or pytest's JUnit XML. A suite that failed without a
// failed test, or that left no report, counts as one failure.
import { existsSync, readFileSync } from 'node:fs'

const [report, status] = process.argv.slice(2)
const { passed, failed } = existsSync(report) ? countsOf(readFileSync(report, 'utf8')) : { passed: 0, failed: 0 }
console.log(`${passed} ${failed > 0 || status === '0' ? failed : 1}`)

function countsOf(text) {
  if (text.startsWith('{')) {
    const { numPassedTests, numFailedTests } = JSON.parse(text)
    return { passed: numPassedTests, failed: numFailedTests }
  }
  const count = (name) => Number(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`).exec(text)?.[1] ?? 0)
  const failed = count('failures') + count('errors')
  return { passed: count('tests') - failed - count('skipped'), failed }
}
