/**
 * `npm run -s chaos -- --seconds S --seed N [--faults a,b]`: what happened on standard error, the reckoning as one
 * JSON line on standard output. Exit status 1 when a promise was broken.
 */
import { parseArgs } from 'node:util'
import { runChaos } from './run.ts'
import { FAULTS, type FaultKind } from './schedule.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    faults: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})
const seconds = Number(values.seconds)
const seed = Number(values.seed)
const kinds = values.faults === undefined ? FAULTS : values.faults.split(',').map((name) => name.trim())
const unknown = kinds.filter((kind) => !(FAULTS as readonly string[]).includes(kind))
if (!(seconds > 0) || !Number.isSafeInteger(seed) || unknown.length > 0) {
  process.stderr.write(
    `usage: chaos [--seconds S] [--seed N] [--faults a,b]; ${unknown.length > 0 ? `unknown: ${unknown.join(', ')}; ` : ''}faults are ${FAULTS.join(', ')}\n`,
  )
  process.exit(2)
}

const note = (line: string) => void process.stderr.write(`${line}\n`)
const { result, holds, details } = await runChaos({
  seed,
  seconds,
  kinds: kinds as FaultKind[],
  note,
  keep: values.keep,
})
for (const line of details) note(line)
process.stdout.write(`${JSON.stringify(result)}\n`)
process.exitCode = holds ? 0 : 1
