import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ChildRun, runProcess } from '../support/process.ts'

const LOADER = fileURLToPath(new URL('../support/typescript-loader.mjs', import.meta.url))
const DEMO = fileURLToPath(new URL('../../examples/demo/main.ts', import.meta.url))

let temporary: string
let run: ChildRun | undefined

beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), 'holdfast-demo-test-'))
})

afterEach(async () => {
  run?.kill('SIGKILL')
  await run?.exit()
  rmSync(temporary, { recursive: true, force: true })
})

test('the demo pushes a public data set, verifies every receipt, catches one altered field, and leaves nothing', async () => {
  run = runProcess(process.execPath, ['--import', LOADER, DEMO], { env: { TMPDIR: temporary } })
  const { code } = await run.exit(100_000)
  expect(run.output()).toMatch(/verified on the chain +3,201 /)
  expect(run.output()).toMatch(/US Gross of “.+”: (\d+) → \d+/)
  expect(run.output()).toContain('another or altered record')
  expect(run.stderr()).toBe('')
  expect(code).toBe(0)
  expect(readdirSync(temporary)).toEqual([])
}, 120_000)

test('the demo interrupted by Ctrl-C stops its servers, leaves nothing, and exits with 130', async () => {
  run = runProcess(process.execPath, ['--import', LOADER, DEMO], { env: { TMPDIR: temporary } })
  await run.waitFor(/waiting for the next tick/)
  run.kill('SIGINT')
  const { code } = await run.exit(60_000)
  expect(code).toBe(130)
  expect(readdirSync(temporary)).toEqual([])
}, 120_000)
