import type pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import { inLease } from '../../src/store/connection/lease-transaction.ts'
import { acquireLease } from '../../src/store/connection/leases.ts'
import { until } from '../support/wait.ts'
import { createStage, type Stage } from './support/harness.ts'

let stage: Stage
afterEach(() => stage?.close())

/** The pool, with commits that go wrong when `rule` says so: before they are done, or after, when only the reply is lost. */
function poolWithFaults(pool: pg.Pool, rule: () => 'before' | 'after' | undefined): pg.Pool {
  return overlay(pool, {
    connect: async () => {
      const client = await pool.connect()
      return overlay(client, {
        query: async (...args: unknown[]) => {
          const fault = args[0] === 'commit' ? rule() : undefined
          if (fault === 'before') await client.query('rollback')
          const result =
            fault === 'before' ? null : await (client.query as (...a: unknown[]) => unknown)(...args)
          if (fault !== undefined) throw new Error('Connection terminated unexpectedly')
          return result
        },
      })
    },
  })
}

function overlay<T extends object>(target: T, methods: Record<string, unknown>): T {
  return new Proxy(target, {
    get(original, key) {
      if (typeof key === 'string' && key in methods) return methods[key]
      const value: unknown = Reflect.get(original, key)
      return typeof value === 'function' ? value.bind(original) : value
    },
  })
}

describe('a commit that fails', () => {
  for (const when of ['before', 'after'] as const) {
    const what = when === 'before' ? 'and did not happen' : 'but had happened'
    for (const nth of [1, 2, 3, 4, 5, 6]) {
      it(`${what}, the ${nth}. of a daemon's life, costs no anchor and anchors none twice`, async () => {
        stage = await createStage()
        await stage.seal(2)
        let commits = 0
        const pool = poolWithFaults(stage.pool, () => {
          commits += 1
          return commits === nth ? when : undefined
        })
        const anchorer = await stage.anchorer({ pool })
        await anchorer.tick().catch(() => undefined)
        const mined = await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
        await stage.anvil.mine(6)
        await stage.untilAnchor('a final anchor', (anchor) => anchor.state === 'finalized')
        await until(() => commits >= nth, { what: 'the fault' })
        expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(mined.root), 1]]))
        expect(await stage.attempts()).toHaveLength(1)
        expect(await stage.anchors()).toHaveLength(1)
      })
    }
  }
})

describe('a database that throws everybody out', () => {
  it('between two statements of a transaction, brings nothing down', async () => {
    stage = await createStage()
    const lease = (await acquireLease(stage.pool, 'anchor:1', 'test', 60_000))!
    const work = inLease(stage.pool, lease, async (client) => {
      const { rows } = await client.query('select pg_backend_pid() as pid')
      const ended = new Promise((resolve) => client.once('end', resolve))
      await stage.pool.query('select pg_terminate_backend($1)', [rows[0].pid])
      await ended
      await client.query('select 1')
    })
    await expect(work).rejects.toThrow()
    expect((await stage.pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('is found again, and anchoring goes on', async () => {
    stage = await createStage()
    await stage.seal()
    const anchorer = await stage.anchorer()
    const throwOut = `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`
    await stage.pool.query(throwOut)
    await anchorer.tick().catch(() => undefined)
    await stage.pool.query(throwOut)
    await stage.untilAnchor('a mined anchor', (anchor) => anchor.state === 'mined')
    await stage.pool.query(throwOut)
    await stage.anvil.mine(6)
    const final = await stage.untilAnchor('a final anchor', (anchor) => anchor.state === 'finalized')
    expect(await stage.rootsOnChain()).toEqual(new Map([[toHex(final.root), 1]]))
  })
})
