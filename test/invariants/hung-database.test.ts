import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Postgres, startPostgres } from '../../src/dev/postgres.ts'
import { migrateToLatest } from '../../src/store/connection/migrate.ts'
import { createServed, digest, type Served, sealedRecord } from '../e2e/served.ts'
import { until } from '../support/wait.ts'

let folder: string
let postgres: Postgres
let served: Served
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-hung-'))
  chmodSync(folder, 0o755)
  postgres = await startPostgres({ dataDir: join(folder, 'postgres'), persistent: false })
  await migrateToLatest(postgres.url)
  served = await createServed({ databaseUrl: postgres.url })
})
afterAll(async () => {
  await served.close()
  await postgres.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** The server and every process that it has forked. */
function wholeServer(): number[] {
  const parentOf = (pid: string) => {
    try {
      return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
    } catch {
      return Number.NaN
    }
  }
  const children = readdirSync('/proc').filter(
    (name) => /^\d+$/.test(name) && parentOf(name) === postgres.pid,
  )
  return [postgres.pid, ...children.map(Number)]
}

it.skipIf(process.platform !== 'linux')(
  'a database that hangs is 503 with Retry-After for pushes and reads, and over when it goes on',
  async () => {
    const { url, client } = await served.start({ env: { HOLDFAST_DATABASE_STATEMENT_TIMEOUT_MS: '1000' } })
    const push = (n: number, key = served.apiKey) =>
      fetch(`${url}/v1/records`, {
        method: 'POST',
        body: digest(n),
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/octet-stream' },
        signal: AbortSignal.timeout(20_000),
      })
    const read = () => fetch(`${url}/v1/records/${digest(1).toString('hex')}`)
    expect((await push(1)).status).toBe(202)
    await until(() => sealedRecord(client, digest(1)), { what: 'the batch' })

    const stopped = wholeServer()
    for (const pid of stopped) process.kill(pid, 'SIGSTOP')
    try {
      const answers = await Promise.all([push(2), read(), push(3, 'hf_unknown')])
      for (const answer of answers) {
        expect(answer.status).toBe(503)
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
        expect(await answer.json()).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
      }
    } finally {
      for (const pid of stopped) process.kill(pid, 'SIGCONT')
    }
    await until(async () => (await push(4)).status === 202, { what: 'a push that is taken', every: 100 })
    await until(() => sealedRecord(client, digest(4)), { what: 'its batch' })
    expect((await read()).status).toBe(200)
  },
  60_000,
)
