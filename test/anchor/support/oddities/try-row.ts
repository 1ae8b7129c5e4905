import { randomBytes } from 'node:crypto'
import type { Hex } from 'holdfast-client/format'
import { toHex } from 'holdfast-client/hex'
import { leafOfHash } from 'holdfast-client/verify/path'
import type { Verification } from 'holdfast-client/verify/verification'
import { verifyReceipt } from 'holdfast-client/verify/verify-receipt'
import { expect } from 'vitest'
import type { Anchorer } from '../../../../src/anchor/anchorer.ts'
import type { Receipt } from '../../../../src/core/receipt.ts'
import type { Anchor } from '../../../../src/store/chain/anchors.ts'
import { until } from '../../../support/wait.ts'
import { createStage, PUBLISHER, type Stage } from '../harness.ts'
import { type OddNode, startOddNode } from './odd-node.ts'
import { AS_USUAL, type Outcome, type Row } from './row.ts'

/** A real node, an odd one before it, and a database: what a row needs, for one row after the other. */
export type Testbed = { stage: Stage; node: OddNode; close(): Promise<void> }

const RPC_TIMEOUT_MS = 700

export async function createTestbed(): Promise<Testbed> {
  const stage = await createStage({ chain: { resendAfterMs: 1_000 } })
  const node = await startOddNode(stage.anvil.url)
  stage.chain.rpcUrls = [node.url]
  const testbed = {
    stage,
    node,
    async close() {
      await stage.close()
      await node.close()
    },
  }
  // The key's first nonce is settled, as it is after a day.
  const anchorer = await stage.anchorer()
  await sealOne(stage)
  await anchorAll(testbed, anchorer)
  await anchorer.close()
  return testbed
}

/** Anchors one hash through the odd node and follows it, then verifies its receipt through the same node. */
export async function tryRow(testbed: Testbed, row: Row): Promise<void> {
  const { stage, node } = testbed
  const outcome: Outcome = { ...AS_USUAL, ...row.expect }
  const { hash, batch } = await sealOne(stage)
  node.behave(row.odd)
  const began = await begin(stage)
  if (began instanceof Error)
    expect(`${(began as { code?: string }).code}`).toMatch(outcome.anchored as RegExp)
  else {
    const tick = began.tick().catch(() => undefined)
    if (outcome.anchored === true) await follow(testbed, began, batch, outcome.final)
    else await expectRefused(testbed, began, batch, outcome.anchored)
    await tick
    await began.close()
  }
  await recover(testbed, batch)
  const anchor = (await anchorOf(stage, batch))!
  node.behave(row.odd)
  const verification = await verify(node, receiptFor(hash, anchor))
  expect(verification.verdict, verification.headline).toBe(outcome.verdict)
  if (outcome.anchored === true && outcome.final !== false) expect(verification.final).toBe(true)
  node.behave(null)
  // Whatever was said on the way, the root is on the chain once.
  expect((await stage.rootsOnChain()).get(toHex(anchor.root))).toBe(1)
}

async function begin(stage: Stage): Promise<Anchorer | Error> {
  return stage.anchorer({ rpcTimeoutMs: RPC_TIMEOUT_MS }).catch((error: Error) => error)
}

const reasonOf = (anchorer: Anchorer) => `${anchorer.status().reason}: ${anchorer.status().detail}`

/** It says why, and does not take the anchor for mined however often it looks. */
async function expectRefused(
  { stage, node }: Testbed,
  anchorer: Anchorer,
  batch: number,
  reason: RegExp,
): Promise<void> {
  const what = `the reason ${reason}`
  await until(() => reason.test(reasonOf(anchorer)), { what })
  const isSent = (await stage.attempts()).some(
    ({ anchorId, state }) => anchorId === batch && state === 'sent',
  )
  if (isSent) await until(() => node.asked('eth_blockNumber') > 3, { what: 'some looks' })
  expect((await anchorOf(stage, batch))?.state ?? 'prepared').toMatch(/prepared|submitted/)
}

async function follow(
  { stage }: Testbed,
  anchorer: Anchorer,
  batch: number,
  final: Outcome['final'],
): Promise<void> {
  const within = 25_000
  const state = async () => (await anchorOf(stage, batch))?.state
  await until(async () => ['mined', 'finalized'].includes((await state()) ?? ''), {
    what: `a mined anchor (${reasonOf(anchorer)})`,
    within,
  })
  await stage.anvil.mine(final === 'tag' ? 5 : 66)
  if (final !== false)
    return void (await until(async () => (await state()) === 'finalized', { what: 'a final anchor', within }))
  const head = await stage.anvil.blockNumber()
  await until(() => anchorer.status().head === head, { what: 'a look at the new blocks', within })
  expect(await state()).toBe('mined')
}

/** A sane node: what is open becomes final, and nothing is left behind for the next row. */
async function recover(testbed: Testbed, batch: number): Promise<void> {
  const { stage, node } = testbed
  node.behave(null)
  if ((await anchorOf(stage, batch))?.state === 'finalized') return
  const anchorer = await stage.anchorer()
  await anchorAll(testbed, anchorer)
  await anchorer.close()
}

async function anchorAll({ stage }: Testbed, anchorer: Anchorer): Promise<void> {
  await anchorer.tick()
  await until(async () => (await openCount(stage)) === 0 || (await stage.anvil.mine(5)), {
    what: 'everything final',
    every: 50,
  })
}

async function openCount(stage: Stage): Promise<number> {
  return (await stage.anchors()).filter(({ state }) => state !== 'finalized').length
}

async function sealOne(stage: Stage): Promise<{ hash: Hex; batch: number }> {
  const hash = toHex(randomBytes(32))
  const leaf = leafOfHash(hash)
  return { hash, batch: await stage.seal(1, () => Buffer.from(leaf.slice(2), 'hex')) }
}

async function anchorOf(stage: Stage, batch: number): Promise<Anchor | undefined> {
  return (await stage.anchors()).find(
    ({ firstBatch, lastBatch }) => firstBatch <= batch && batch <= lastBatch,
  )
}

/** The only hash of its batch, the only batch of its anchor. */
function receiptFor(hash: Hex, anchor: Anchor): Receipt {
  const root = toHex(anchor.root)
  return {
    format: 'holdfast-receipt/1',
    tree: 'holdfast-keccak-v1',
    hash,
    receivedAt: anchor.createdAt.toISOString(),
    leaf: root,
    batch: { id: String(anchor.firstBatch), leafIndex: 0, leafCount: 1, root },
    path: [],
    anchors: [
      {
        chainId: `eip155:${anchor.chainId}`,
        registry: anchor.registry as Hex,
        publisher: anchor.publisher as Hex,
        root,
        path: [],
        transactionHash: toHex(anchor.transactionHash!),
        blockNumber: anchor.blockNumber!,
        blockHash: toHex(anchor.blockHash!),
        blockTime: anchor.blockTime!.toISOString(),
        status: 'mined',
      },
    ],
  }
}

function verify(node: OddNode, receipt: Receipt): Promise<Verification> {
  return verifyReceipt(receipt, { rpc: node.url, publisher: PUBLISHER.address, timeoutMs: RPC_TIMEOUT_MS })
}
