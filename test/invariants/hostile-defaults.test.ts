import { randomBytes } from 'node:crypto'
import { verifyReceipt } from 'holdfast-client'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { createServed, digest, type Served } from '../e2e/served.ts'
import { setHostileDefaults } from '../support/hostile-defaults.ts'
import { runHoldfast } from '../support/process.ts'

const name = `hostile_${randomBytes(6).toString('hex')}`

let admin: pg.Client
let served: Served
let url: URL
beforeAll(async () => {
  const server = new pg.Client(inject('databaseServerUrl'))
  await server.connect()
  await server.query(`create role ${name} login password 'secret'`)
  await server.query(`create database ${name} owner ${name}`)
  await server.end()
  url = new URL(inject('databaseServerUrl'))
  url.pathname = `/${name}`
  admin = new pg.Client(url.href)
  await admin.connect()
  await setHostileDefaults(admin, name)
  url.username = name
  url.password = 'secret'
})
afterAll(async () => {
  await served?.close()
  await admin.end()
  const server = new pg.Client(inject('databaseServerUrl'))
  await server.connect()
  await server.query(`drop database ${name} with (force)`)
  await server.query(`drop role ${name}`)
  await server.end()
})

it('with every setting changed by the database or the role, all of it works, from migrate to verify', async () => {
  const env = { DATABASE_URL: url.href }
  expect(await runHoldfast(['migrate'], { env }).exit()).toMatchObject({ code: 0 })
  served = await createServed({ databaseUrl: url.href })
  const { run, client, url: api } = await served.start()
  const { receivedAt } = await client.push(digest(1))
  expect(Math.abs(Date.parse(receivedAt!) - Date.now())).toBeLessThan(10_000)
  const receipt = await client.waitFor(digest(1), 'anchored', { deadlineMs: 30_000, pollMs: 100 })
  const hash = `0x${digest(1).toString('hex')}`
  expect(await verifyReceipt(receipt, { rpc: () => served.anvil.url, hash })).toMatchObject({ valid: true })
  expect(receipt.receivedAt).toBe(receivedAt)
  for (const path of ['batches', 'batches/1/tiles/0/0', 'anchors', 'status']) {
    const answer = await fetch(`${api}/v1/${path}`, { headers: { authorization: `Bearer ${served.apiKey}` } })
    expect(answer.status, path).toBe(200)
  }
  expect(await (await fetch(`${api}/healthz`)).json()).toMatchObject({ status: 'ok' })

  for (const args of [['doctor'], ['keys', 'list'], ['anchors', 'list'], ['anchors', 'show', '1']]) {
    const command = runHoldfast(args, { env: served.env })
    expect(await command.exit(), `${args.join(' ')}: ${command.output()}`).toMatchObject({ code: 0 })
  }
  run.kill('SIGTERM')
  expect(await run.exit()).toEqual({ code: 0, signal: null })
  expect(run.output()).not.toMatch(/"level":"error"/)
})
