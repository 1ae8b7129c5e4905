import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { runProcess } from '../support/process.ts'
import { createServed } from './served.ts'

it('the example pushes, waits, verifies, and tells an altered record', async () => {
  const served = await createServed()
  try {
    const { url } = await served.start()
    const file = fileURLToPath(new URL('../../examples/push-and-verify.mjs', import.meta.url))
    const run = runProcess(process.execPath, [file], {
      env: { HOLDFAST_URL: url, HOLDFAST_API_KEY: served.apiKey, RPC_URL: served.anvil.url },
    })
    expect((await run.exit()).code, run.output()).toBe(0)
    expect(run.stdout()).toMatch(
      /S-2047: VALID: .* existed by .*\nS-2048: VALID: .* existed by .*\n.*does not match its receipt/,
    )
  } finally {
    await served.close()
  }
})
