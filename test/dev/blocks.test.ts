import { afterAll, beforeAll, expect, test } from 'vitest'
import { keepMining } from '../../src/dev/blocks.ts'
import { DEV_ACCOUNTS, startTestAnvil, type TestAnvil } from '../support/anvil.ts'
import { until } from '../support/wait.ts'

let anvil: TestAnvil

beforeAll(async () => {
  anvil = await startTestAnvil()
})

afterAll(() => anvil.stop())

test('a chain with nothing to finalize gets one block in six periods, and blocks at once when there is something', async () => {
  const everyMs = 200
  const mining = keepMining(anvil.url, everyMs)
  const started = performance.now()
  await until(async () => (await anvil.blockNumber()) === 1, { what: 'the first idle block' })
  expect(performance.now() - started).toBeGreaterThan(5 * everyMs)

  const [from, to] = [DEV_ACCOUNTS[0].address, DEV_ACCOUNTS[1].address]
  await anvil.rpc('eth_sendTransaction', [{ from, to, value: '0x1' }])
  const mined = await until(async () => ((await anvil.blockNumber()) >= 2 ? anvil.blockNumber() : null), {
    what: 'the transaction',
  })
  const sent = performance.now()
  await until(async () => (await anvil.blockNumber()) >= mined + 4, { what: 'four more blocks' })
  expect(performance.now() - sent).toBeLessThan(4 * 6 * everyMs)
  await mining.close()

  const rest = await anvil.blockNumber()
  await anvil.mine()
  expect(await anvil.blockNumber()).toBe(rest + 1)
})
