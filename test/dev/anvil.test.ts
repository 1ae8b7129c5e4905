import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadState } from '../../src/dev/anvil-state.ts'
import { identify } from '../../src/dev/processes.ts'
import { DEV_ACCOUNTS, startTestAnvil, type TestAnvil } from '../support/anvil.ts'
import { until } from '../support/wait.ts'

let folder: string
const running: TestAnvil[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-anvil-'))
})

afterEach(async () => {
  for (const anvil of running.splice(0)) await anvil.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function start(...args: Parameters<typeof startTestAnvil>): Promise<TestAnvil> {
  const anvil = await startTestAnvil(...args)
  running.push(anvil)
  return anvil
}

async function transfer(anvil: TestAnvil): Promise<string> {
  const [from, to] = [DEV_ACCOUNTS[0].address, DEV_ACCOUNTS[1].address]
  return (await anvil.rpc('eth_sendTransaction', [{ from, to, value: '0x1' }])) as string
}

type Mined = { blockHash: string; blockNumber: string }
const receipt = async (anvil: TestAnvil, hash: string) =>
  (await anvil.rpc('eth_getTransactionReceipt', [hash])) as Mined | null

describe('a chain without a state file', () => {
  test('mines a transaction at once and leaves no process and no file behind', async () => {
    const anvil = await start()
    expect(await anvil.rpc('eth_chainId')).toBe('0x7a69')
    const hash = await transfer(anvil)
    await until(() => receipt(anvil, hash), { what: 'the receipt' })
    await anvil.stop()
    expect(identify(anvil.pid)).toBeNull()
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`holdfast-anvil-${process.pid}-`))).toEqual(
      [],
    )
  })

  test('with blockEveryMs, makes every transaction final', async () => {
    const anvil = await start([], { blockEveryMs: 50 })
    const hash = await transfer(anvil)
    const mined = await until(() => receipt(anvil, hash), { what: 'the receipt' })
    const finalized = async () => {
      const block = (await anvil.rpc('eth_getBlockByNumber', ['finalized', false])) as { number: string }
      return Number(block.number)
    }
    await until(async () => (await finalized()) >= Number(mined.blockNumber), { what: 'finality' })
  })

  test('says which port is taken and how to choose another', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await until(() => server.listening, { what: 'the other program' })
    const { port } = server.address() as { port: number }
    await expect(startTestAnvil([], { port })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining(`Port ${port} on 127.0.0.1, wanted for the chain, is taken`),
    })
    server.close()
  })
})

describe('a chain with a state file', () => {
  test('goes on after a restart: same blocks, same receipts, finalized readable', async () => {
    const stateFile = join(folder, 'chain.gz')
    const first = await start([], { stateFile })
    expect(first.resumed).toBe(false)
    const hash = await transfer(first)
    const mined = await until(() => receipt(first, hash), { what: 'the receipt' })
    await first.stop()

    const second = await start([], { stateFile })
    expect(second.resumed).toBe(true)
    expect(await receipt(second, hash)).toEqual(mined)
    const balance = await second.rpc('eth_getBalance', [DEV_ACCOUNTS[1].address, 'finalized'])
    expect(balance).toBe(`0x${(10_000n * 10n ** 18n + 1n).toString(16)}`)
    expect(existsSync(`${stateFile}.loading`)).toBe(false)
  })

  test('survives kill -9 of the node: what was mined a moment before is saved', async () => {
    const stateFile = join(folder, 'chain.gz')
    const first = await start([], { stateFile })
    const hash = await transfer(first)
    await until(() => loadState(stateFile)?.includes(hash), { what: 'the transaction in the saved chain' })
    process.kill(first.pid, 'SIGKILL')
    expect(await first.exited).toContain('SIGKILL')

    const second = await start([], { stateFile })
    expect(await receipt(second, hash)).not.toBeNull()
  })

  test.each([
    ['an empty file', ''],
    ['half a file', '\x1f\x8b\x08\x00\x00\x00'],
  ])('%s is set aside and a new chain starts', async (_, content) => {
    const stateFile = join(folder, 'chain.gz')
    writeFileSync(stateFile, content, 'latin1')
    const anvil = await start([], { stateFile })
    expect(anvil.resumed).toBe(false)
    expect(await anvil.blockNumber()).toBe(0)
    expect(readdirSync(folder).filter((name) => name.includes('.unusable-'))).toHaveLength(1)
  })

  test('a saved chain that anvil refuses is set aside too', async () => {
    const stateFile = join(folder, 'chain.gz')
    const { gzipSync } = await import('node:zlib')
    writeFileSync(stateFile, gzipSync('{"accounts":"none"}'))
    const anvil = await start([], { stateFile })
    expect(anvil.resumed).toBe(false)
    expect(readdirSync(folder).filter((name) => name.includes('.unusable-'))).toHaveLength(1)
  })

  test('is not taken from a process that uses it', async () => {
    const stateFile = join(folder, 'chain.gz')
    await start([], { stateFile })
    await expect(startTestAnvil([], { stateFile })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining('is in use by process'),
    })
  })
})
