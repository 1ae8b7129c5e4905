/**
 * `npm run -s chaos -- --seconds S --seed N [--faults a,b] [--keep]`: what happens on standard error, the reckoning as
 * one line of JSON on standard output. Exit status 0 when everything held, 1 when not, 2 for wrong arguments, 130 or
 * 143 when a signal ended it. It leaves no process behind.
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
const stop = new AbortController()
const EXIT_STATUS = { SIGINT: 130, SIGTERM: 143 } as const
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    note(`${name}: stopping everything`)
    process.exitCode = EXIT_STATUS[name]
    stop.abort()
  })
}

try {
  const { result, details } = await runChaos({
    seed,
    seconds,
    kinds: kinds as FaultKind[],
    note,
    keep: values.keep,
    signal: stop.signal,
  })
  for (const line of details) note(line)
  process.stdout.write(`${JSON.stringify(result)}\n`)
  process.exitCode = result.holds ? 0 : 1
} catch (error) {
  if (!stop.signal.aborted) {
    note(error instanceof Error ? (error.stack ?? error.message) : String(error))
    process.exitCode = 1
  }
}
// What an aborted run still waits for must not keep the process.
process.exit()
