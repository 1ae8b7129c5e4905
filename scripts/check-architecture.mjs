/** Runs dependency-cruiser over src/ and fails when a rule is broken, or when it saw suspiciously little of src/. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const files = readdirSync('src', { recursive: true }).filter((name) => name.endsWith('.ts'))
const cruiser = join(dirname(createRequire(import.meta.url).resolve('dependency-cruiser/package.json')), 'bin/dependency-cruise.mjs')
const args = [cruiser, 'src', '--config', '.dependency-cruiser.cjs', '--output-type', 'json']
const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 28 })
if (!stdout) {
  process.stderr.write(stderr)
  process.exit(1)
}
const { modules, summary } = JSON.parse(stdout)
const cruised = modules.filter((module) => module.source.startsWith('src/') && !module.couldNotResolve)
for (const { rule, from, to } of summary.violations) process.stderr.write(`${rule.name}: ${from} -> ${to}\n`)
// A parser that cannot read TypeScript sees no module and reports no violation.
const blind = cruised.length < files.length * 0.9 || !cruised.some((module) => module.dependencies.length > 0)
if (blind) process.stderr.write(`only ${cruised.length} of ${files.length} files in src/ were cruised\n`)
process.stdout.write(`${cruised.length} modules cruised, ${summary.violations.length} violations\n`)
process.exit(blind || summary.violations.length > 0 ? 1 : 0)
