import { loadConfig } from '../config/load.ts'
import { HoldfastError } from '../core/errors.ts'
import { examine } from '../doctor/examine.ts'
import type { Finding } from '../doctor/verdict.ts'
import { print } from './terminal.ts'

/** Prints a line a check. Exit status: 0 when none failed, 1 otherwise. */
export async function doctor(options: { json?: boolean }): Promise<void> {
  const findings = await findingsOf()
  print(options.json ? JSON.stringify(findings, null, 2) : describe(findings))
  // A check that was given up may still hold a socket.
  process.exit(findings.some(({ level }) => level === 'fail') ? 1 : 0)
}

async function findingsOf(): Promise<Finding[]> {
  try {
    const config = loadConfig(process.env)
    const read: Finding = { name: 'configuration', level: 'ok', detail: 'complete', todo: null }
    return [read, ...(await examine({ config, env: process.env }))]
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'INVALID_CONFIG') throw error
    const todo = 'Correct it as docs/configuration.md says; nothing else can be checked before.'
    return [{ name: 'configuration', level: 'fail', detail: error.message, todo }]
  }
}

function describe(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ name, level, detail, todo }) => [
    `${level.padEnd(4)}  ${name}: ${detail}`,
    ...(todo === null ? [] : [`      → ${todo}`]),
  ])
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length
  return [...lines, '', `${count('ok')} ok, ${count('warn')} warn, ${count('fail')} fail`].join('\n')
}
