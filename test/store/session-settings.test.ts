import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDatabase } from '../../src/store/connection/database.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { setHostileDefaults } from '../support/hostile-defaults.ts'

let database: TestDatabase
let admin: pg.Client
beforeAll(async () => {
  database = await createTestDatabase()
  admin = new pg.Client(database.url)
  await admin.connect()
})
afterAll(async () => {
  await admin.end()
  await database.drop()
})

describe('a session', () => {
  it('is the same whatever the database and the role have as defaults, for every setting that this server knows', async () => {
    const usual = new Map(await shown(database.url))
    expect(await setHostileDefaults(admin)).toBeGreaterThan(35)
    expect(new Map(await shown(database.url))).toEqual(usual)
    for (const { name, setting } of await hostileSession()) {
      expect(setting, `${name} as other sessions have it`).not.toBe(usual.get(name))
    }
  })

  it('is so for a role that is no superuser', async () => {
    const role = await createRole()
    await admin.query(`alter role ${role.name} set datestyle = 'SQL, DMY'`)
    await admin.query(`alter role ${role.name} set synchronous_commit = off`)
    await admin.query(`alter role ${role.name} set default_transaction_read_only = on`)
    const name = new URL(database.url).pathname.slice(1)
    await admin.query(`alter database ${name} reset all`)
    const settings = new Map(await shown(role.url))
    expect(settings.get('DateStyle')).toBe('ISO, MDY')
    expect(settings.get('synchronous_commit')).toBe('on')
    expect(settings.get('default_transaction_read_only')).toBe('off')
    await role.drop()
  })

  it('is refused in one sentence when a superuser’s default cannot be overridden', async () => {
    const role = await createRole()
    await admin.query(`alter role ${role.name} set session_replication_role = replica`)
    await expect(shown(role.url)).rejects.toThrow(
      /^A default of the database or the role keeps Holdfast from working.*session_replication_role.*Reset it/,
    )
    await role.drop()
  })

  it('keeps what the URL asks for, and finds the tables where the URL says', async () => {
    const url = new URL(database.url)
    await admin.query('create schema if not exists "other place"')
    url.searchParams.set(
      'options',
      '-c work_mem=7MB --statement-timeout=1 -csearch_path="other\\ place",public -c holdfast.test=a\\\\b',
    )
    const settings = new Map(await shown(url.href))
    expect(settings.get('work_mem')).toBe('7MB')
    expect(settings.get('search_path')).toBe('"other place",public')
    expect(settings.get('holdfast.test')).toBe('a\\b')
    expect(settings.get('statement_timeout')).toBe('0')
  })
})

/** Every setting as a session of ours has it. */
async function shown(url: string): Promise<[string, string][]> {
  const { pool, close } = openDatabase({ url, poolSize: 1, name: 'test' })
  try {
    const { rows } = await pool.query<{ name: string; value: string }>(
      `select name, current_setting(name) as value from pg_settings where context in ('user', 'superuser')
       union all select 'holdfast.test', current_setting('holdfast.test', true)`,
    )
    return rows.map(({ name, value }) => [name, value])
  } finally {
    await close()
  }
}

/** The settings as a client gets them that sets nothing, as far as it can live with them. */
async function hostileSession(): Promise<{ name: string; setting: string }[]> {
  const client = new pg.Client({
    connectionString: database.url,
    options: '-c statement_timeout=0 -c idle_session_timeout=0',
  })
  await client.connect()
  try {
    const { rows } = await client.query<{ name: string; setting: string }>(
      `select name, current_setting(name) as setting from pg_catalog.pg_settings
       where context in ('user', 'superuser') and source in ('database', 'database user')
         and name not in ('client_encoding', 'timezone_abbreviations')`,
    )
    expect(rows.length).toBeGreaterThan(30)
    return rows
  } finally {
    await client.end()
  }
}

async function createRole() {
  const name = `role_${randomBytes(6).toString('hex')}`
  await admin.query(`create role ${name} login password 'secret'`)
  const url = new URL(database.url)
  url.username = name
  url.password = 'secret'
  return {
    name,
    url: url.href,
    drop: () => admin.query(`drop owned by ${name}; drop role ${name}`),
  }
}
