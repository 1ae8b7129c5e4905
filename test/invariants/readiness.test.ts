import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Postgres, startPostgres } from '../../src/dev/postgres.ts'
import { migrateToLatest } from '../../src/store/connection/migrate.ts'
import { createServed, digest, type Served } from '../e2e/served.ts'
import { mountSmallDisk } from '../support/small-disk.ts'
import { until } from '../support/wait.ts'

const disk = mountSmallDisk()

let folder: string
let postgres: Postgres
let served: Served
let admin: pg.Client
let api: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-readiness-'))
  chmodSync(folder, 0o755)
  postgres = await startPostgres({ dataDir: join(folder, 'postgres'), persistent: false })
  await migrateToLatest(postgres.url)
  admin = new pg.Client(postgres.url)
  await admin.connect()
  const role = new URL(postgres.url)
  role.username = 'daemon'
  role.password = 'first'
  await admin.query(`create role daemon superuser login password 'first'`)
  served = await createServed({ databaseUrl: role.href })
  const { url } = await served.start({ env: { HOLDFAST_DATABASE_STATEMENT_TIMEOUT_MS: '3000' } })
  api = url
})
afterAll(async () => {
  await served?.close()
  await admin?.end()
  await postgres?.stop()
  rmSync(folder, { recursive: true, force: true })
  disk?.remove()
})

let pushed = 0
async function push(hashes = 1): Promise<number> {
  pushed += 1
  const response = await fetch(`${api}/v1/records`, {
    method: 'POST',
    body: Buffer.concat(Array.from({ length: hashes }, () => digest(pushed))),
    headers: { authorization: `Bearer ${served.apiKey}`, 'content-type': 'application/octet-stream' },
    signal: AbortSignal.timeout(30_000),
  })
  if (response.status !== 202) {
    expect(response.status).toBe(503)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await response.json()).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
  }
  return response.status
}

type Readiness = { status: number; checks: { name: string; ok: boolean; detail: string }[] }

async function ready(): Promise<Readiness> {
  const response = await fetch(`${api}/readyz`, { signal: AbortSignal.timeout(10_000) })
  const { checks } = (await response.json()) as Readiness
  return { status: response.status, checks }
}

const reload = async (statement: string) => {
  await admin.query(statement)
  await admin.query('select pg_reload_conf()')
}
const signalServer = (signal: NodeJS.Signals) => {
  for (const pid of wholeServer()) process.kill(pid, signal)
}
const disconnect = () =>
  admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'daemon'`)

/** Hashes of a push that needs more room than small ones find in the gaps. */
const LARGE = 30_000

type Condition = {
  name: string
  hashes?: number
  begin(): unknown
  end(): unknown
  why: RegExp
  skip?: boolean
}

const CONDITIONS: readonly Condition[] = [
  {
    name: 'a server that is read-only',
    begin: () => reload('alter system set default_transaction_read_only = on'),
    end: () =>
      admin
        .query('set default_transaction_read_only = off')
        .then(() => reload('alter system reset default_transaction_read_only')),
    why: /read-only/,
  },
  {
    name: 'a synchronous standby that is gone',
    begin: () => reload(`alter system set synchronous_standby_names = 'nobody'`),
    end: () => reload('alter system reset synchronous_standby_names'),
    why: /none is done within 2 s|does not answer/,
  },
  {
    name: 'a server that stands still',
    begin: () => signalServer('SIGSTOP'),
    end: () => signalServer('SIGCONT'),
    why: /none is done within 2 s|does not answer/,
  },
  {
    name: 'a full disk',
    hashes: LARGE,
    begin: () => disk!.fill(),
    end: () => disk!.grow(),
    why: /disk is full/,
    skip: disk === null,
  },
  {
    name: 'a password that was changed',
    begin: () => admin.query(`alter role daemon password 'second'`).then(disconnect),
    end: () => admin.query(`alter role daemon password 'first'`),
    why: /refuses the role/,
  },
  {
    name: 'a role that may not log in any more',
    begin: () => admin.query('alter role daemon nologin').then(disconnect),
    end: () => admin.query('alter role daemon login'),
    why: /refuses the role/,
  },
  {
    name: 'a database that takes no more connections',
    begin: () => admin.query('alter role daemon nosuperuser connection limit 0').then(disconnect),
    end: () => admin.query('alter role daemon superuser connection limit -1'),
    why: /takes no more connections/,
  },
  {
    name: 'a table that was taken away',
    begin: () => admin.query('alter table intake_0 rename to elsewhere'),
    end: () => admin.query('alter table elsewhere rename to intake_0'),
    why: /not migrated/,
  },
  {
    name: 'a table that somebody has locked',
    begin: () => admin.query('begin; lock table intake in exclusive mode'),
    end: () => admin.query('rollback'),
    why: /none is done within 2 s|took too long/,
  },
]

it('moves its log to a disk that can be filled', async () => {
  if (disk === null) return
  await admin.query(`create tablespace small location '${disk.path}'`)
  await admin.query('alter table intake_0 set tablespace small')
  expect(await push(LARGE)).toBe(202)
})

it.each(CONDITIONS.filter(({ skip }) => !skip))(
  '$name: pushes are 503 and so is /readyz, and both work at once when it is over',
  async ({ begin, end, why, hashes }) => {
    await until(async () => (await ready()).status === 200, { what: 'a daemon that is ready' })
    await begin()
    try {
      // A disk takes what is small for as long as there are gaps: only what fails tells.
      if (hashes === undefined) {
        const noticed = async () => (await ready()).status === 503
        await until(noticed, { what: '/readyz to notice by itself', every: 200 })
      }
      const answers = Promise.all(Array.from({ length: 6 }, () => push(hashes)))
      expect(new Set(await answers)).toEqual(new Set([503]))
      const { status, checks } = await ready()
      expect(status).toBe(503)
      expect(checks.find(({ name }) => name === 'ingest')).toMatchObject({
        ok: false,
        detail: expect.stringMatching(why),
      })
      expect((await fetch(`${api}/livez`)).status).toBe(200)
      const many = await Promise.all(Array.from({ length: 40 }, () => ready()))
      expect(new Set(many.map((each) => each.status))).toEqual(new Set([503]))
    } finally {
      await end()
    }
    const overAt = performance.now()
    await until(async () => (await ready()).status === 200, { what: '/readyz to recover', every: 50 })
    expect(performance.now() - overAt).toBeLessThan(6_000)
    expect(await push(hashes)).toBe(202)
    const { rows } = await admin.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where application_name = 'holdfast-ingest'`,
    )
    expect(rows[0]!.n, 'sessions on the server').toBeLessThanOrEqual(4)
  },
  90_000,
)

it('leaves nothing of what was tried', async () => {
  const { rows } = await admin.query('select count(*)::int as n from intake where source_id = 0')
  expect(rows).toEqual([{ n: 0 }])
  const arrivals = await admin.query('select count(*)::int as n from arrival where source_id = 0')
  expect(arrivals.rows).toEqual([{ n: 0 }])
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
