/** Runs dependency-cruiser over src/ and fails when a rule is broken, or when it saw suspiciously little of src/. */
import { readdirSync } from 'node:fs'
import { cruise } from 'dependency-cruiser'
import extractDepcruiseOptions from 'dependency-cruiser/config-utl/extract-depcruise-options'
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config'

const files = readdirSync('src', { recursive: true }).filter((name) => name.endsWith('.ts'))
const options = await extractDepcruiseOptions('./.dependency-cruiser.cjs')
const { output } = await cruise(['src'], options, undefined, { tsConfig: extractTSConfig('tsconfig.json') })
const { modules, summary } = output
const cruised = modules.filter((module) => module.source.startsWith('src/') && !module.couldNotResolve)
for (const { rule, from, to } of summary.violations) process.stderr.write(`${rule.name}: ${from} -> ${to}\n`)
// A parser that cannot read TypeScript sees no module and reports no violation.
const blind = cruised.length < files.length * 0.9 || !cruised.some((module) => module.dependencies.length > 0)
if (blind) process.stderr.write(`only ${cruised.length} of ${files.length} files in src/ were cruised\n`)
process.stdout.write(`${cruised.length} modules cruised, ${summary.violations.length} violations\n`)
process.exit(blind || summary.violations.length > 0 ? 1 : 0)
