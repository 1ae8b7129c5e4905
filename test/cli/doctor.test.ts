import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { REGISTRY_ADDRESS } from '../../src/anchor/contract/registry.generated.ts'
import type { Finding } from '../../src/doctor/verdict.ts'
import { openDatabase } from '../../src/store/connection/database.ts'
import { type Fault, type RpcRequest, startFaultProxy } from '../anchor/support/fault-proxy.ts'
import { createServed, type Served } from '../e2e/served.ts'
import { DEV_ACCOUNTS } from '../support/anvil.ts'
import { runHoldfast } from '../support/process.ts'
import { until } from '../support/wait.ts'

let served: Served
beforeEach(async () => {
  served = await createServed()
})
afterEach(() => served.close())

type Diagnosis = { code: number | null; findings: Finding[]; text: string; of(name: string): Finding }

async function diagnose(env: Record<string, string> = {}): Promise<Diagnosis> {
  const run = runHoldfast(['doctor', '--json'], { env: { ...served.env, ...env } })
  const { code } = await run.exit()
  const findings = JSON.parse(run.stdout()) as Finding[]
  return {
    code,
    findings,
    text: run.output(),
    of(name) {
      const found = findings.find((finding) => finding.name === name)
      if (found === undefined) throw new Error(`no finding ${name} in ${run.output()}`)
      return found
    },
  }
}

const NOBODY = '0x00000000000000000000000000000000DeaDBeef'

describe('holdfast doctor', () => {
  it('finds nothing wrong beside a daemon that runs', async () => {
    const { client } = await served.start()
    await client.push([Buffer.alloc(32, 7)])
    await until(async () => (await served.rootsOnChain()).size > 0, { what: 'an anchor' })
    const diagnosis = await until(
      async () => {
        const each = await diagnose()
        return each.findings.every(({ name, level }) => level === 'ok' || name === 'database') && each
      },
      { what: 'nothing but ok', within: 25_000 },
    )
    expect(diagnosis.code).toBe(0)
    // The tests' server does not wait for the disk.
    expect(diagnosis.of('database')).toMatchObject({
      level: 'warn',
      detail: expect.stringContaining('fsync'),
    })
    expect(diagnosis.of('chain 31337 signer').detail).toContain(DEV_ACCOUNTS[0].address)
    expect(diagnosis.of('chain 31337 anchors').detail).toMatch(/the last, \d+, was mined/)
    expect(diagnosis.of('chain 31337 last tick').detail).toMatch(
      /^due at .*Z, the next at .* made anchor \d+ at /,
    )
    expect(diagnosis.text).not.toContain(DEV_ACCOUNTS[0].privateKey.slice(2))
  })

  it('warns when no daemon runs, and writes and sends nothing', async () => {
    const { pool, close } = openDatabase({ url: served.database.url, poolSize: 1, name: 'test' })
    const tables = ['account', 'anchor', 'attempt', 'intake', 'lease']
    const state = async () => [
      (
        await pool.query(
          tables.map((table) => `select '${table}', count(*) from ${table}`).join(' union all '),
        )
      ).rows,
      await served.anvil.rpc('eth_getTransactionCount', [DEV_ACCOUNTS[0].address, 'pending']),
    ]
    const before = await state()
    const diagnosis = await diagnose()
    expect(await state()).toEqual(before)
    await close()
    expect(diagnosis.code).toBe(0)
    expect(diagnosis.of('sealing lease')).toMatchObject({
      level: 'warn',
      todo: expect.stringContaining('serve'),
    })
    expect(diagnosis.of('chain 31337 lease').level).toBe('warn')
  })

  it('looks through connections on which the server refuses to write', async () => {
    const { pool, close } = openDatabase({
      url: served.database.url,
      poolSize: 1,
      name: 'test',
      readOnly: true,
    })
    const refused = pool.query("insert into lease (name, owner, epoch, until) values ('x', 'y', 1, now())")
    await expect(refused).rejects.toThrow('read-only transaction')
    await close()
  })

  it('tells a paused account, an empty one, and a registry that is none', async () => {
    const { pool, close } = openDatabase({ url: served.database.url, poolSize: 1, name: 'test' })
    await pool.query(
      `insert into account (chain_id, address, next_nonce, paused_reason, paused_detail, paused_at)
       values (31337, $1, 5, 'key_used_elsewhere', 'by somebody', now())`,
      [DEV_ACCOUNTS[0].address],
    )
    await close()
    await served.anvil.setBalance(DEV_ACCOUNTS[0].address, 0n)
    await served.anvil.rpc('anvil_setCode', [REGISTRY_ADDRESS, '0x6001'])
    const diagnosis = await diagnose()
    expect(diagnosis.code).toBe(1)
    const failed = diagnosis.findings.filter(({ level }) => level === 'fail')
    expect(failed.map(({ name }) => name)).toEqual([
      'chain 31337 registry',
      'chain 31337 balance',
      'chain 31337 account',
    ])
    expect(diagnosis.of('chain 31337 account').todo).toContain('holdfast anchors resume --chain 31337')
    await served.anvil.rpc('anvil_setCode', [REGISTRY_ADDRESS, '0x'])
    expect((await diagnose()).of('chain 31337 registry').todo).toContain('holdfast deploy')
  })

  it('of a wrong registry says the same as deploy, and the advice works', async () => {
    const wrong = { HOLDFAST_REGISTRY: NOBODY }
    const advice = `leave it out and run \`holdfast deploy\`, which uses ${REGISTRY_ADDRESS}.`
    expect((await diagnose(wrong)).of('chain 31337 registry')).toMatchObject({
      level: 'fail',
      detail: `no contract at ${NOBODY}`,
      todo: expect.stringContaining(advice),
    })
    const deploy = async (env: Record<string, string>) => {
      const run = runHoldfast(['deploy'], { env: { ...served.env, ...env } })
      return { ...(await run.exit()), text: run.output() }
    }
    const refused = await deploy(wrong)
    expect(refused.text).toContain('is configured, but holds no contract.')
    expect(refused.text).toContain(advice)
    expect(refused.code).toBe(78)
    expect((await deploy({})).text).toContain(`${REGISTRY_ADDRESS} was there`)
    expect((await diagnose()).of('chain 31337 registry').level).toBe('ok')
    // The published address, spelt out, is as good as none.
    const spelt = await deploy({ HOLDFAST_REGISTRY: REGISTRY_ADDRESS.toLowerCase() })
    expect(spelt.text).toContain(`${REGISTRY_ADDRESS} was there`)
  })

  it('judges each endpoint, and a dead one hides nothing', async () => {
    const diagnosis = await diagnose({ HOLDFAST_RPC_URL: `${served.anvil.url},http://127.0.0.1:9` })
    expect(diagnosis.code).toBe(1)
    expect(diagnosis.of('chain 31337 endpoint 127.0.0.1:9')).toMatchObject({ level: 'fail' })
    expect(diagnosis.of(`chain 31337 endpoint ${new URL(served.anvil.url).host}`).level).toBe('ok')
    expect(diagnosis.of('chain 31337 registry').level).toBe('ok')
    const other = await diagnose({ HOLDFAST_CHAIN_ID: '5' })
    expect(other.findings.find(({ name }) => name.includes('endpoint'))!.detail).toContain('31337, not 5')
  })

  it('says what an endpoint answers in the place of a final block, and what counts as final then', async () => {
    const proxy = await startFaultProxy(served.anvil.url)
    const name = `chain 31337 endpoint ${new URL(proxy.url).host}`
    const isTag = ({ method, params }: RpcRequest) =>
      method === 'eth_getBlockByNumber' && params[0] === 'finalized'
    const diagnosed = async (fault: Fault) => {
      proxy.rule = (request) => (isTag(request) ? fault : undefined)
      return (await diagnose({ HOLDFAST_RPC_URL: proxy.url })).of(name)
    }
    const without = await diagnosed({ kind: 'error', code: -32000, message: 'finalized block not found' })
    const limited = await diagnosed({ kind: 'error', code: -32005, message: 'limit exceeded' })
    proxy.rule = () => undefined
    proxy.edit = (request, result) => {
      if (!isTag(request)) return
      const block = result as { number: string; timestamp: string }
      block.timestamp = `0x${(Number(block.timestamp) - 3 * 3_600).toString(16)}`
      block.number = '0x1'
    }
    const standing = (await diagnose({ HOLDFAST_RPC_URL: proxy.url })).of(name)
    await proxy.close()
    expect(without).toMatchObject({
      level: 'ok',
      detail: expect.stringContaining(
        'by 64 confirmations, for it does not tell (it answers -32000: finalized',
      ),
    })
    expect(limited).toMatchObject({
      level: 'warn',
      detail: expect.stringContaining('-32005: limit exceeded'),
      todo: expect.stringContaining('confirmations'),
    })
    expect(standing).toMatchObject({
      level: 'warn',
      detail: expect.stringMatching(/final up to 1, which is 3 h older/),
      todo: expect.stringContaining('finalizes nothing'),
    })
  })

  it('takes the pause of a key that is no longer configured for a warning', async () => {
    const { pool, close } = openDatabase({ url: served.database.url, poolSize: 1, name: 'test' })
    await pool.query(
      `insert into account (chain_id, address, next_nonce, paused_reason, paused_detail, paused_at)
       values (31337, $1, 5, 'key_used_elsewhere', 'by somebody', now())`,
      [DEV_ACCOUNTS[1].address],
    )
    await close()
    const diagnosis = await diagnose()
    expect(diagnosis.code).toBe(0)
    expect(diagnosis.of('chain 31337 account')).toMatchObject({
      level: 'warn',
      detail: expect.stringContaining('not the configured key'),
    })
  })

  it('counts the data fee of a rollup in the balance', async () => {
    // Answers every call with 9,000 ether; the account holds 10,000, and twice the answer must be there.
    const value = (9_000n * 10n ** 18n).toString(16).padStart(20, '0')
    await served.anvil.rpc('anvil_setCode', [
      '0x420000000000000000000000000000000000000F',
      `0x69${value}60005260206000f3`,
    ])
    expect((await diagnose()).of('chain 31337 balance')).toMatchObject({
      level: 'fail',
      detail: expect.stringContaining('enough for 0 anchors'),
    })
  })

  it('says which tick left batches behind, and why', async () => {
    const { pool, close } = openDatabase({ url: served.database.url, poolSize: 1, name: 'test' })
    expect((await diagnose()).of('chain 31337 last tick')).toMatchObject({
      level: 'ok',
      detail: expect.stringContaining('no tick has made an anchor yet'),
    })
    await pool.query(
      `insert into batch (id, leaf_count, root, first_received_at, last_received_at, first_index)
       values (1, 10, $1, now() - interval '5 minutes', now(), 0)`,
      [Buffer.alloc(32, 1)],
    )
    expect((await diagnose()).of('chain 31337 last tick')).toMatchObject({
      level: 'fail',
      detail: expect.stringContaining('no daemon is there to tick'),
    })
    await pool.query(
      `insert into lease (name, owner, epoch, until) values ('anchor:31337', 'x', 1, now() + interval '1 hour')`,
    )
    await pool.query(
      `insert into account (chain_id, address, next_nonce, waiting_reason, waiting_detail)
       values (31337, $1, 0, 'fee_cap', 'too dear')`,
      [DEV_ACCOUNTS[0].address],
    )
    expect((await diagnose()).of('chain 31337 last tick')).toMatchObject({
      level: 'warn',
      detail: expect.stringContaining('fee_cap: too dear'),
    })
    await close()
  })

  it('gives up on a database that does not answer, and still looks at the chain', async () => {
    const silent = createServer(() => undefined)
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as AddressInfo
    const diagnosis = await diagnose({ DATABASE_URL: `postgres://a:secret-word@127.0.0.1:${port}/b` })
    silent.close()
    expect(diagnosis.code).toBe(1)
    expect(diagnosis.of('database')).toMatchObject({
      level: 'fail',
      todo: expect.stringContaining('DATABASE_URL'),
    })
    expect(diagnosis.of('chain 31337 signer').level).toBe('ok')
    expect(diagnosis.text).not.toContain('secret-word')
  })

  it('lists the faults of a configuration that cannot be read', async () => {
    const diagnosis = await diagnose({ HOLDFAST_CRON: 'never' })
    expect(diagnosis.code).toBe(1)
    expect(diagnosis.findings).toMatchObject([{ name: 'configuration', level: 'fail' }])
  })
})
