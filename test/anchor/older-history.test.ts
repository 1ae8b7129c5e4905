import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDeadlines, startChains } from '../../src/daemon/deadlines.ts'
import { noteGenesis, startChain } from '../../src/store/chain/chain-starts.ts'
import { until } from '../support/wait.ts'
import { createStage, type Stage } from './support/harness.ts'
import { recordingLogger } from './support/recording-logger.ts'

let stage: Stage
beforeEach(async () => {
  stage = await createStage()
})
afterEach(() => stage.close())

const CHAIN_ID = 31337
const YEAR_MS = 365 * 86_400_000

/** Batches that were sealed a year before the chain was configured. */
async function olderHistory(count: number): Promise<void> {
  await stage.seal(count)
  await stage.pool.query(
    `update batch set first_received_at = first_received_at - interval '1 year',
       last_received_at = last_received_at - interval '1 year'`,
  )
}

const mined = () => stage.untilAnchor('a mined anchor', ({ state }) => state === 'mined')

describe('a chain that is added to an older database', () => {
  it('leaves out what was sealed before it, when it starts from now', async () => {
    await olderHistory(3)
    expect(await startChain(stage.pool, CHAIN_ID, 'now')).toMatchObject({ isNew: true, batchesBefore: 3 })
    await stage.seal(2)
    // A restart does not move the start.
    expect(await startChain(stage.pool, CHAIN_ID, 'now')).toMatchObject({ isNew: false, batchesBefore: 3 })
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    expect(await mined()).toMatchObject({ firstBatch: 4, lastBatch: 5 })
    await until(() => anchorer.status().backlog?.batches === 0, { what: 'an empty backlog' })
  })

  it('takes what it left out once it is told to start from all', async () => {
    await olderHistory(3)
    await startChain(stage.pool, CHAIN_ID, 'now')
    await startChain(stage.pool, CHAIN_ID, 'all')
    await (await stage.anchorer()).tick()
    expect(await mined()).toMatchObject({ firstBatch: 1, lastBatch: 3 })
  })

  it('anchors everything by default, and nothing of it is late or stuck for its age', async () => {
    await stage.anvil.setAutomine(false)
    await olderHistory(3)
    const before = Date.now()
    await startChain(stage.pool, CHAIN_ID, 'all')
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    const sent = await stage.untilAnchor('a transaction', ({ state }) => state === 'submitted')
    expect(sent.anchorBy.getTime()).toBeGreaterThan(before)
    expect(sent.reason).toBeNull()
    expect(anchorer.status()).toMatchObject({ reason: null, anchorBy: sent.anchorBy })
  })

  it('is named in the log, once', async () => {
    await olderHistory(2)
    const logger = recordingLogger()
    const chains = [{ ...stage.chain, startFrom: 'now' as const }]
    await startChains(stage.pool, chains, logger)
    await startChains(stage.pool, chains, logger)
    expect(logger.entries.map(({ message }) => message)).toEqual([
      'the chain is new to a database that holds 2 batches; chains[].startFrom leaves out what is older than the chain',
    ])
  })

  it('makes no deadline for what it leaves out, and none before it began', () => {
    const startedAt = new Date('2026-06-01T00:00:30Z')
    const chain = { cron: '* * * * *', anchorWithinMs: 60_000 }
    const before = startedAt.getTime() - YEAR_MS
    const due = Date.parse('2026-06-01T00:02:00Z')
    const all = createDeadlines([{ chain: { ...chain, startFrom: 'all' }, startedAt }])
    expect([all.earliest(before), all.of(0)(before)]).toEqual([due, due])
    const now = createDeadlines([{ chain: { ...chain, startFrom: 'now' }, startedAt }])
    expect([now.earliest(before), now.earliest(startedAt.getTime())]).toEqual([null, due])
  })
})

describe('a chain that was begun anew under an older database', () => {
  it('is named as such, and nothing is signed for it', async () => {
    await startChain(stage.pool, CHAIN_ID, 'all')
    await noteGenesis(stage.pool, CHAIN_ID, randomBytes(32))
    await stage.seal()
    const anchorer = await stage.anchorer()
    await anchorer.tick()
    await until(() => anchorer.status().reason === 'stuck', { what: 'the reason' })
    expect(anchorer.status().detail).toMatch(
      /^Chain 31337 at 127\.0\.0\.1:\d+ is a new one: it begins with block 0x/,
    )
    expect(await stage.attempts()).toEqual([])
  })

  it('is not seen in one that goes on', async () => {
    await startChain(stage.pool, CHAIN_ID, 'all')
    const first = await stage.anchorer()
    await stage.seal()
    await first.tick()
    await mined()
    await first.close()
    await stage.seal()
    await (await stage.anchorer()).tick()
    await stage.untilAnchor('the second', ({ id, state }) => id === 2 && state === 'mined')
  })
})

describe('a database that was restored from a backup', () => {
  it('is named as such when the chain holds anchors that it does not', async () => {
    const anchorer = await stage.anchorer()
    await stage.seal()
    await anchorer.tick()
    const first = await mined()
    // As a backup made now, and restored after one more anchor.
    const { rows } = await stage.pool.query('select next_nonce from account')
    await stage.seal()
    await anchorer.tick()
    await stage.untilAnchor('the second', ({ id, state }) => id === 2 && state === 'mined')
    await anchorer.close()
    await stage.pool.query('delete from attempt where anchor_id = 2')
    await stage.pool.query('delete from anchor_batch where anchor_id = 2')
    await stage.pool.query('delete from anchor where id = 2')
    await stage.pool.query('update account set next_nonce = $1', [rows[0].next_nonce])
    const restored = await stage.anchorer()
    await restored.tick()
    await stage.anvil.mine()
    await until(() => restored.status().paused, { what: 'the pause' })
    expect(restored.status().paused?.detail).toContain(
      'The chain holds 1 anchor by this key that this database does not: it was restored from an older backup',
    )
    expect(await stage.anchors()).toEqual([expect.objectContaining({ id: first.id })])
  })
})
