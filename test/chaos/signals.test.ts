import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { identify, isAlive, type ProcessIdentity } from '../../src/dev/processes.ts'
import { runProcess, typescriptArgs } from '../support/process.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

/** Children, their children, and so on: database, chain and daemons. */
function descendantsOf(pid: number): ProcessIdentity[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
  return children.map(Number).flatMap((child) => {
    const known = identify(child)
    return known === null ? [] : [known, ...descendantsOf(child)]
  })
}

it.runIf(process.platform === 'linux')(
  'a run that is told to stop ends everything it started, prints no result, and says by its status why',
  async () => {
    const run = runProcess(process.execPath, [...typescriptArgs(MAIN), '--seconds', '60', '--seed', '1'])
    const [, folder] = await run.waitFor(/logs and configuration are in (\S+)/)
    await run.waitFor(/"kind":/)
    const started = descendantsOf(run.pid)
    expect(started.length).toBeGreaterThan(4)
    run.kill('SIGTERM')
    expect(await run.exit()).toMatchObject({ code: 143 })
    expect(run.stdout()).toBe('')
    expect(started.filter(isAlive)).toEqual([])
    expect(existsSync(folder!)).toBe(false)
  },
  60_000,
)
