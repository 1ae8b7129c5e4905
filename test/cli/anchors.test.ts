import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { privateKeySigner } from '../../src/anchor/signers/signer.ts'
import { pauseAccount, readAccount } from '../../src/store/chain/accounts.ts'
import { createStage, PUBLISHER, type Stage } from '../anchor/support/harness.ts'
import { DEV_ACCOUNTS } from '../support/anvil.ts'
import { runHoldfast } from '../support/process.ts'
import { until } from '../support/wait.ts'

let stage: Stage
beforeEach(async () => {
  stage = await createStage()
  await stage.anvil.setAutomine(false)
  await stage.seal(2)
})
afterEach(() => stage.close())

async function anchors(...args: string[]): Promise<{ code: number | null; text: string }> {
  const env = {
    DATABASE_URL: stage.databaseUrl,
    HOLDFAST_CHAIN_ID: '31337',
    HOLDFAST_RPC_URL: stage.anvil.url,
    HOLDFAST_PRIVATE_KEY: PUBLISHER.privateKey,
  }
  const run = runHoldfast(['anchors', ...args], { env })
  const { code } = await run.exit()
  return { code, text: run.output() }
}

const untilAttempts = (count: number) =>
  until(
    async () => {
      const attempts = await stage.attempts()
      return attempts.length >= count && attempts
    },
    { what: `${count} attempts` },
  )

describe('holdfast anchors', () => {
  it('lists anchors and shows one with its transactions', async () => {
    expect((await anchors('list')).text).toContain('No anchors yet.')
    await (await stage.anchorer()).tick()
    const [list, other, json, text] = await Promise.all([
      anchors('list', '--chain', '31337'),
      anchors('list', '--chain', '5', '--json'),
      anchors('show', '1', '--json'),
      anchors('show', '1'),
    ])
    expect(list.text).toMatch(/^1\tchain 31337\tsubmitted\tbatches 1-2\t20 hashes\tdue /)
    expect(JSON.parse(other.text)).toEqual([])
    const [attempt] = await stage.attempts()
    expect(JSON.parse(json.text)).toMatchObject({
      id: 1,
      state: 'submitted',
      attempts: [{ nonce: 0, kind: 'anchor' }],
    })
    expect(text.text).toContain(attempt!.hash.toString('hex'))
  })

  it('says what is wrong with an id', async () => {
    const [unknown, noNumber] = await Promise.all([anchors('show', '9'), anchors('retry', 'x')])
    expect(unknown).toMatchObject({ code: 69, text: expect.stringContaining('no anchor 9') })
    expect(noNumber).toMatchObject({ code: 64, text: expect.stringContaining('a number') })
  })

  it('retry has a transaction replaced now with one that pays more', async () => {
    const anchorer = await stage.anchorer({ owner: 'the-leader' })
    await anchorer.tick()
    const { code, text } = await anchors('retry', '1')
    expect(code).toBe(0)
    expect(text).toContain('12.5 % more')
    expect(text).toContain('the-leader anchors on chain 31337')
    const [first, second] = await untilAttempts(2)
    expect(second!.nonce).toBe(first!.nonce)
    expect(second!.maxFeePerGas * 8n).toBeGreaterThanOrEqual(first!.maxFeePerGas * 9n)
    await stage.anvil.mine()
    await stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined')
    const late = await anchors('cancel', '1')
    expect(late).toMatchObject({ code: 64, text: expect.stringContaining('is mined, in block') })
  })

  it('cancel spends the nonce on a no-op, and the root is anchored in a new transaction', async () => {
    await (await stage.anchorer()).tick()
    const { code, text } = await anchors('cancel', '1')
    expect(code).toBe(0)
    expect(text).toContain('A no-op that pays more takes nonce 0')
    const attempts = await untilAttempts(2)
    expect(attempts[1]).toMatchObject({ kind: 'noop', nonce: 0 })
    await stage.anvil.mine(6)
    await untilAttempts(3)
    await stage.anvil.mine()
    await stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined')
    expect([...(await stage.rootsOnChain()).values()]).toEqual([1])
  })

  it('retry and cancel are refused where nothing is under way, with what hinders it', async () => {
    await stage.anvil.setBalance(PUBLISHER.address, 0n)
    const anchorer = await stage.anchorer()
    await stage.pool.query(
      `insert into anchor (chain_id, registry, publisher, mode, root, state, first_batch, last_batch, leaf_count, anchor_by)
       values (31337, $1, $1, 'storage', $2, 'prepared', 1, 2, 20, now())`,
      [PUBLISHER.address, Buffer.alloc(32, 5)],
    )
    await stage.untilAnchor('its reason', ({ reason }) => reason === 'no_funds')
    await anchorer.close()
    for (const kind of ['retry', 'cancel']) {
      const { code, text } = await anchors(kind, '1')
      expect(code).toBe(64)
      expect(text).toContain(`none to ${kind}`)
      expect(text).toContain('no_funds')
      expect(text).not.toContain('Noted')
    }
    expect(await stage.anchors()).toMatchObject([{ wish: null }])
  })

  it('cancel is refused where an earlier transaction was given up and the next is not signed yet', async () => {
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    await anchorer.close()
    // As after a no-op that has become final: there are attempts, and none of them lives.
    await stage.pool.query("update attempt set state = 'superseded'")
    await stage.pool.query("update anchor set state = 'prepared', reason = null, detail = null")
    expect(await anchors('cancel', '1')).toMatchObject({
      code: 64,
      text: expect.stringContaining('signed at the next look'),
    })
    expect(await stage.anchors()).toMatchObject([{ wish: null }])
  })

  it('retry and cancel are refused for a transaction of another key than the configured one', async () => {
    const anchorer = await stage.anchorer({ signer: privateKeySigner(DEV_ACCOUNTS[1].privateKey) })
    await stage.anvil.setBalance(DEV_ACCOUNTS[1].address, 10n ** 18n)
    await anchorer.tick()
    const { code, text } = await anchors('cancel', '1')
    expect(code).toBe(64)
    expect(text).toContain(`signed by ${DEV_ACCOUNTS[1].address}`)
    expect(text).toContain('configure the old key')
    expect(await stage.anchors()).toMatchObject([{ state: 'submitted', wish: null }])
  })

  it('says when no daemon is there to act', async () => {
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    await anchorer.close()
    const { code, text } = await anchors('retry', '1')
    expect(code).toBe(0)
    expect(text).toContain('No daemon anchors on chain 31337 now')
  })

  it('resume lifts a pause, says what follows, and anchoring goes on', async () => {
    await stage.anvil.setAutomine(true)
    const anchorer = await stage.anchorer()
    await until(() => readAccount(stage.pool, 31337, PUBLISHER.address), { what: 'the account' })
    const client = await stage.pool.connect()
    await pauseAccount(client, 31337, PUBLISHER.address, 'key_used_elsewhere', 'a test')
    client.release()
    await anchorer.tick()
    expect(await stage.attempts()).toEqual([])
    expect((await anchors('resume', '--chain', '5')).text).toContain('No account on chain 5 is paused')
    const { code, text } = await anchors('resume')
    expect(code).toBe(0)
    expect(text).toContain('which was paused: key_used_elsewhere')
    expect(text).toContain('signed anew on the next free one')
    await stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined')
    expect((await anchors('resume')).text).toContain('No account is paused')
  })
})
