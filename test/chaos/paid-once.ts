import type { Pool } from '../../src/store/connection/database.ts'
import { type ChainHistory, rootInCall, sentTransactions } from './chain-history.ts'
import type { ChaosStage } from './stage.ts'

export type PaidOnce = {
  /** Roots that the chain holds in several transactions of the publisher, and batches that are in several anchors. */
  rootsTwice: number
  /** Nonces that were used for several anchors, by what was stored, what was sent and what the chain holds. */
  noncesTwice: number
  /** Anchors that are mined or final in the database, and not on the chain. */
  missing: number
  /** Transactions that left a daemon, or stand on the chain, without having been stored first (invariant 3). */
  unrecorded: number
  details: string[]
}

/** Compares what was paid for, on the chain, with what the database says was meant. */
export async function checkPaidOnce(
  stage: Pick<ChaosStage, 'database' | 'proxies' | 'unstored'>,
  chain: ChainHistory,
): Promise<PaidOnce> {
  const { pool } = stage.database
  const details: string[] = []
  const found = (what: string, items: readonly unknown[]): number => {
    for (const item of items.slice(0, 5)) details.push(`${what}: ${JSON.stringify(item)}`)
    return items.length
  }

  const repeated = [...chain.roots].filter(([, logs]) => logs.length > 1)
  const { rows: shared } = await pool.query(
    'select batch_id, count(*) as anchors from anchor_batch group by batch_id having count(*) > 1',
  )
  const attempts = await readAttempts(pool)
  const { rows: anchors } = await pool.query<{ id: number; root: Buffer }>(
    `select id, root from anchor where state in ('mined', 'finalized')`,
  )
  const sent = sentTransactions(stage)
  const stored = new Set(attempts.map(({ hash }) => hash))
  const strangers = new Set(stage.unstored)
  for (const { hash } of [...sent, ...chain.transactions]) if (!stored.has(hash)) strangers.add(hash)
  const mined = new Set(chain.transactions.map(({ hash }) => hash))
  const notMined = attempts.filter(({ state, hash }) => /^(mined|reverted)$/.test(state) && !mined.has(hash))
  return {
    rootsTwice: found('root twice', repeated) + found('batch in several anchors', shared),
    noncesTwice: found(
      'nonce of several roots',
      rootsByNonce([...attempts, ...sent, ...chain.transactions]).filter(({ roots }) => roots.length > 1),
    ),
    missing:
      found(
        'anchor not on the chain',
        anchors.filter(({ root }) => !chain.roots.has(hex(root))).map(({ id }) => id),
      ) + found('attempt not on the chain', notMined),
    unrecorded: found('sent but not stored before', [...strangers]),
    details,
  }
}

type StoredAttempt = { hash: string; nonce: number; state: string; root: string }

async function readAttempts(pool: Pool): Promise<StoredAttempt[]> {
  const { rows } = await pool.query<{ hash: Buffer; nonce: number; state: string; root: Buffer }>(
    `select attempt.hash, nonce, attempt.state, anchor.root
     from attempt join anchor on anchor.id = attempt.anchor_id`,
  )
  return rows.map(({ hash, root, ...rest }) => ({ ...rest, hash: hex(hash), root: hex(root) }))
}

/** A no-op belongs to the anchor whose nonce it spends, and names no root itself. */
function rootsByNonce(
  uses: readonly { nonce: number; root?: string; input?: string }[],
): { nonce: number; roots: string[] }[] {
  const byNonce = new Map<number, Set<string>>()
  for (const { nonce, root, input } of uses) {
    const roots = byNonce.get(nonce) ?? new Set<string>()
    const named = root ?? rootInCall(input ?? '')
    if (named !== null) roots.add(named)
    byNonce.set(nonce, roots)
  }
  return [...byNonce].map(([nonce, roots]) => ({ nonce, roots: [...roots] }))
}

function hex(bytes: Buffer): string {
  return `0x${bytes.toString('hex')}`
}
