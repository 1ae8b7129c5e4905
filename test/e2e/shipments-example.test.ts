import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { record, startShipments } from '../../examples/shipments/main.ts'
import { findFreePort } from '../../src/dev/ports.ts'
import type { ChildRun } from '../support/process.ts'
import { until } from '../support/wait.ts'
import { createServed, type Served } from './served.ts'

let served: Served
let daemon: ChildRun
let shipments: Awaited<ReturnType<typeof startShipments>>
let port: string

const startDaemon = async () => (await served.start({ env: { HOLDFAST_HTTP_PORT: port } })).run

beforeAll(async () => {
  served = await createServed()
  port = String(await findFreePort())
  daemon = await startDaemon()
  shipments = await startShipments({
    databaseUrl: served.database.url,
    holdfastUrl: `http://127.0.0.1:${port}`,
    apiKey: served.apiKey,
    rpcUrl: served.anvil.url,
    sweepEveryMs: 100,
  })
})

afterAll(async () => {
  await shipments?.close()
  await served?.close()
})

type HandOver = { id: string; place: string; hash: string; receipt: { hash: string } | null }
type Verified = { verdict: string; valid: boolean | null; differs: string[]; anchored: HandOver }

const call = async <T>(method: string, path: string, body?: object): Promise<T> => {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`${shipments.url}${path}`, {
    method,
    ...(body ? { headers, body: JSON.stringify(body) } : {}),
  })
  return (await answer.json()) as T
}
const handOver = (place: string) =>
  call<HandOver>('POST', '/shipments/S-2047/hand-overs', { place, by: 'A. Meier' })
const verify = (id: string) => call<Verified>('POST', `/hand-overs/${id}/verify`)
const valid = (id: string) =>
  until(async () => (await verify(id)).valid === true, {
    what: `hand-over ${id}`,
    every: 100,
    within: 30_000,
  })

describe('examples/shipments', () => {
  it('shows the journey of a shipment with a receipt for each hand-over', async () => {
    for (const place of ['Olten', 'Bern', 'Chur']) await handOver(place)
    const journey = await call<HandOver[]>('GET', '/shipments/S-2047')
    expect(journey.map(({ place }) => place)).toEqual(['Olten', 'Bern', 'Chur'])
    for (const { id } of journey) await valid(id)
    const proven = await call<HandOver[]>('GET', '/shipments/S-2047')
    for (const { hash, receipt } of proven) expect(receipt?.hash).toBe(hash)
  })

  it('says which field was changed by SQL', async () => {
    const { id } = await handOver('Davos')
    await valid(id)
    await shipments.db.updateTable('hand_over').set({ place: 'elsewhere' }).where('id', '=', id).execute()
    const found = await verify(id)
    expect(found).toMatchObject({ verdict: 'contradicted', valid: false, differs: ['place'] })
    expect(found.anchored.place).toBe('Davos')
  })

  it('pushes nothing of a transaction that is rolled back', async () => {
    const before = await shipments.db.selectFrom('outbox').select('id').execute()
    const attempt = shipments.db.transaction().execute(async (tx) => {
      const values = { shipment: 'S-9999', place: 'nowhere', handed_by: 'nobody' }
      await record(
        tx,
        await tx.insertInto('hand_over').values(values).returningAll().executeTakeFirstOrThrow(),
      )
      throw new Error('rolled back')
    })
    await expect(attempt).rejects.toThrow('rolled back')
    expect(await shipments.db.selectFrom('outbox').select('id').execute()).toEqual(before)
    expect(await call<HandOver[]>('GET', '/shipments/S-9999')).toEqual([])
  })

  it('answers while Holdfast is down, and loses nothing', async () => {
    daemon.kill('SIGKILL')
    await daemon.exit()
    const ids: string[] = []
    for (let i = 0; i < 5; i++) ids.push((await handOver(`Depot ${i}`)).id)
    expect((await verify(ids[0]!)).verdict).toBe('unknown')
    daemon = await startDaemon()
    for (const id of ids) await valid(id)
  })
})
