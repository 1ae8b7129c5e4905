import { verifyReceipt } from 'holdfast-client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createServed, digest, type Served } from '../e2e/served.ts'
import { type ChildRun, clockShiftEnv, runHoldfast } from '../support/process.ts'
import { until } from '../support/wait.ts'

const HOUR_MS = 3_600_000

let served: Served
/** Of the test that runs; one that failed may have left it. */
let daemon: ChildRun | undefined
beforeAll(async () => {
  served = await createServed()
})
afterEach(async () => {
  daemon?.kill('SIGTERM')
  await daemon?.exit()
})
afterAll(() => served.close())

describe.each([
  { name: 'an hour ahead', shiftMs: HOUR_MS, n: 1 },
  { name: 'an hour behind', shiftMs: -HOUR_MS, n: 2 },
])('a daemon whose clock is $name', ({ shiftMs, n }) => {
  const env = clockShiftEnv(shiftMs)
  const start = async (cron?: string) => {
    const started = await served.start({ env, ...(cron && { cron }) })
    daemon = started.run
    return started
  }

  it('states times by the database’s clock, and its receipts verify', async () => {
    const { client } = await start()
    const before = Date.now()
    const { receivedAt, anchorBy } = await client.push(digest(n))
    expect(Date.parse(receivedAt!)).toBeGreaterThanOrEqual(before - 1)
    expect(Date.parse(receivedAt!)).toBeLessThanOrEqual(Date.now() + 1)
    expect(Date.parse(anchorBy!) - Date.parse(receivedAt!)).toBeLessThan(HOUR_MS / 2)

    const receipt = await client.waitFor(digest(n), 'anchored', { deadlineMs: 20_000, pollMs: 100 })
    expect(receipt.receivedAt).toBe(receivedAt)
    const verdict = await verifyReceipt(receipt, {
      rpc: () => served.anvil.url,
      hash: `0x${digest(n).toString('hex')}`,
    })
    expect(verdict).toMatchObject({ valid: true })
  })

  it('says so in a metric, in /healthz and in doctor, and is late with nothing', async () => {
    const { url, client } = await start()
    await client.push(digest(n + 10))
    await client.waitFor(digest(n + 10), 'anchored', { deadlineMs: 20_000, pollMs: 100 })
    const metrics = await (await fetch(`${url}/metrics`)).text()
    const skew = Number(/^holdfast_clock_skew_seconds\{against="database"\} (\S+)$/m.exec(metrics)?.[1])
    expect(Math.abs(skew - shiftMs / 1000)).toBeLessThan(5)
    expect(metrics).toMatch(/^holdfast_anchor_late_seconds\{chain="31337"\} 0$/m)
    expect(metrics).toMatch(/^holdfast_clock_skew_seconds\{against="eip155:31337"\} -?\d/m)

    const health = await fetch(`${url}/healthz`)
    const { checks } = (await health.json()) as { checks: { name: string; ok: boolean; detail: string }[] }
    const about = new RegExp(`^(3599|3600|3601) s ${shiftMs > 0 ? 'ahead of' : 'behind'} the database$`)
    expect(checks.find(({ name }) => name === 'clock against the database')).toMatchObject({
      ok: false,
      detail: expect.stringMatching(about),
    })
    const ofChain = checks.find(({ name }) => name.startsWith('clock against the newest block'))
    expect(ofChain).toMatchObject({ ok: shiftMs > 0 })
    expect((await fetch(`${url}/readyz`)).status).toBe(200)

    const doctor = runHoldfast(['doctor'], { env: { ...served.env, ...env } })
    await doctor.exit()
    expect(doctor.stdout()).toMatch(/^fail {2}clock: (3599|3600|3601) s (ahead of|behind) the database$/m)
  })

  it('anchors no more often than its ticks say', async () => {
    const { client } = await start('0 0 1 1 *')
    await client.push(digest(n + 20))
    const isSealed = async () => (await client.record(digest(n + 20)))?.status === 'sealed'
    await until(isSealed, { what: 'the batch' })
    const leads = async () => {
      const { chains } = (await client.status()) as {
        chains: { leader: boolean; backlog: { batches: number } }[]
      }
      return chains[0]!.leader && chains[0]!.backlog.batches === 1
    }
    await until(leads, { what: 'a look by the leader', every: 100 })
    expect(await isSealed()).toBe(true)
  })
})
