/** What must be true once everything works again: every promise kept, every root on the chain once. */
import { Transaction } from 'ethers'
import { REGISTRY_ADDRESS } from '../../src/anchor/registry.generated.ts'
import type { Receipt, ReceiptAnchor } from '../../src/core/receipt.ts'
import { isUnderRoot, leafOfHash } from '../../src/verify/check-path.ts'
import { parseReceipt } from '../../src/verify/parse-receipt.ts'
import { verifyReceipt } from '../../src/verify/verify-receipt.ts'
import { until } from '../support/wait.ts'
import type { Load } from './load.ts'
import { CHAIN_ID, type ChaosStage, PUBLISHER } from './stage.ts'

export type Tally = {
  acknowledged: number
  /** Acknowledged hashes that have a receipt which holds. */
  receipts: number
  /** Acknowledged hashes without a receipt. */
  lost: number
  /** Receipts that do not verify, and anchors that the chain does not hold as the database says. */
  invalid: number
  /** Roots that the chain holds in several transactions, and batches that are in several anchors. */
  rootsTwice: number
  /** Nonces that were used for several anchors. */
  noncesTwice: number
  /** Anchors that are in no block, batches without an anchor, hashes not sealed. */
  stuck: number
  /** Transactions that were sent without being stored, invariant 3. */
  unrecorded: number
  anchors: number
  attempts: number
  batches: number
  /** What each of the numbers above is about, a few of each. */
  details: string[]
}

const VERIFIED_RANDOMLY = 40

export async function takeTally(stage: ChaosStage, load: Load, drainMs: number): Promise<Tally> {
  const details: string[] = [...load.faults.slice(0, 20)]
  const stuck = await drain(stage, drainMs, details)
  const chain = await rootsOnChain(stage)
  const receipts = await collectReceipts(stage, load, chain, details)
  const once = await checkOnce(stage, chain, details)
  const { rows } = await stage.database.pool.query<{ anchors: number; attempts: number; batches: number }>(
    `select (select count(*) from anchor) as anchors, (select count(*) from attempt) as attempts,
       (select count(*) from batch) as batches`,
  )
  return {
    acknowledged: load.acknowledged.length,
    ...receipts,
    invalid: receipts.invalid + once.missing + load.faults.length,
    rootsTwice: once.rootsTwice,
    noncesTwice: once.noncesTwice,
    stuck,
    unrecorded: once.unrecorded,
    ...rows[0]!,
    details,
  }
}

/** Waits until nothing is under way any more; returns how much still is. */
async function drain(stage: ChaosStage, withinMs: number, details: string[]): Promise<number> {
  const left = async () => {
    const { rows } = await stage.database.pool.query<{ chunks: number; batches: number; anchors: number }>(
      `select (select count(*) from intake) as chunks,
         (select count(*) from batch where id > (select coalesce(max(last_batch), 0) from anchor)) as batches,
         (select count(*) from anchor where state <> 'finalized') as anchors`,
    )
    return rows[0]!
  }
  try {
    await until(
      async () => {
        const { chunks, batches, anchors } = await left()
        return chunks + batches + anchors === 0
      },
      { within: withinMs, every: 250, what: 'everything to be final' },
    )
    return 0
  } catch {
    const { chunks, batches } = await left()
    const { rows } = await stage.database.pool.query(
      `select id, state, reason, detail from anchor where state in ('prepared', 'submitted')`,
    )
    const { rows: accounts } = await stage.database.pool.query('select * from account')
    if (chunks + batches + rows.length > 0) {
      details.push(`stuck: ${JSON.stringify({ chunks, batches, anchors: rows, accounts })}`)
    }
    return chunks + batches + rows.length
  }
}

type OnChain = { transactionHash: string; blockNumber: number; blockHash: string }

/** Every `Anchored` of the publisher on the canonical chain, by root. */
async function rootsOnChain(stage: ChaosStage): Promise<Map<string, OnChain[]>> {
  const filter = { address: REGISTRY_ADDRESS, fromBlock: '0x0', toBlock: 'latest' }
  const logs = (await stage.rpc('eth_getLogs', [filter])) as (Record<string, string> & { topics: string[] })[]
  const roots = new Map<string, OnChain[]>()
  for (const log of logs) {
    const { transactionHash, blockHash } = log as unknown as OnChain
    const seen = { transactionHash, blockHash, blockNumber: Number(log.blockNumber) }
    roots.set(log.topics[2]!, [...(roots.get(log.topics[2]!) ?? []), seen])
  }
  return roots
}

/** Asks for the receipt of every acknowledged hash and checks each: its path here, its anchor against the chain's logs. */
async function collectReceipts(
  stage: ChaosStage,
  load: Load,
  chain: ReadonlyMap<string, readonly OnChain[]>,
  details: string[],
): Promise<{ receipts: number; lost: number; invalid: number }> {
  const count = { receipts: 0, lost: 0, invalid: 0 }
  const roots = new Set<string>()
  const every = Math.max(1, Math.floor(load.acknowledged.length / VERIFIED_RANDOMLY))
  let seen = 0
  const fail = (what: string) => {
    count.invalid += 1
    if (details.length < 60) details.push(what)
  }
  for (let from = 0; from < load.acknowledged.length; from += 1_000) {
    const hashes = load.acknowledged.slice(from, from + 1_000)
    const answers = await receiptsOf(stage.replicas[(from / 1_000) % 2]!.url, hashes)
    for (const [i, hash] of hashes.entries()) {
      const answer = answers[i]
      if (answer === undefined || !('anchors' in answer)) {
        count.lost += 1
        if (details.length < 60) details.push(`lost: ${hash} ${JSON.stringify(answer)}`)
        continue
      }
      seen += 1
      const fault = faultOf(hash, answer, chain)
      if (fault !== null) {
        fail(`invalid: ${hash}: ${fault}`)
        continue
      }
      const before = load.finalized.get(hash)
      if (before !== undefined && before !== JSON.stringify(answer.anchors)) {
        fail(`changed after it was finalized: ${hash}`)
        continue
      }
      const isNew = answer.anchors.some((anchor) => !roots.has(anchor.root))
      for (const anchor of answer.anchors) roots.add(anchor.root)
      if (isNew || seen % every === 0) {
        const result = await verifyReceipt(answer, {
          rpc: () => stage.rpcUrl,
          hash,
          expect: { registry: REGISTRY_ADDRESS, publisher: PUBLISHER.address },
        })
        if (!result.valid) {
          fail(`invalid on the chain: ${hash}: ${JSON.stringify(result.checks.filter((check) => !check.ok))}`)
          continue
        }
      }
      count.receipts += 1
    }
  }
  return count
}

async function receiptsOf(url: string, hashes: readonly string[]): Promise<(Receipt | { status: string })[]> {
  const response = await fetch(`${url}/v1/receipts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ hashes }),
    signal: AbortSignal.timeout(30_000),
  })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`receipts were answered with ${response.status}: ${text}`)
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** What is wrong with a receipt, by the verifier's own path check and the logs of the chain; null when nothing is. */
function faultOf(
  hash: string,
  answer: Receipt,
  chain: ReadonlyMap<string, readonly OnChain[]>,
): string | null {
  const receipt = parseReceipt(answer)
  if (receipt.hash !== hash) return `it is for ${receipt.hash}`
  if (leafOfHash(receipt.hash) !== receipt.leaf) return 'its leaf is not the hash’s'
  if (!isUnderRoot(receipt.leaf, receipt.path, receipt.batch.root))
    return 'its path does not lead to its batch'
  if (receipt.anchors.length === 0) return 'it has no anchor'
  const stands = (anchor: ReceiptAnchor) =>
    (chain.get(anchor.root) ?? []).some(
      (log) =>
        log.transactionHash === anchor.transactionHash &&
        log.blockHash === anchor.blockHash &&
        log.blockNumber === anchor.blockNumber,
    )
  for (const anchor of receipt.anchors) {
    if (!isUnderRoot(receipt.batch.root, anchor.path, anchor.root))
      return 'its path does not lead to its anchor'
    if (!stands(anchor)) return `the chain does not hold ${anchor.root} in block ${anchor.blockNumber}`
  }
  return null
}

async function checkOnce(
  stage: ChaosStage,
  chain: ReadonlyMap<string, readonly OnChain[]>,
  details: string[],
): Promise<{ rootsTwice: number; noncesTwice: number; missing: number; unrecorded: number }> {
  const { pool } = stage.database
  const hex = (bytes: Buffer) => `0x${bytes.toString('hex')}`
  const found = (what: string, rows: readonly unknown[]): number => {
    for (const row of rows.slice(0, 5)) details.push(`${what}: ${JSON.stringify(row)}`)
    return rows.length
  }

  const repeated = [...chain].filter(([, logs]) => new Set(logs.map((log) => log.transactionHash)).size > 1)
  const { rows: shared } = await pool.query(
    'select batch_id, count(*) as anchors from anchor_batch group by batch_id having count(*) > 1',
  )
  const { rows: nonces } = await pool.query(
    `select nonce, array_agg(distinct anchor_id) as anchors from attempt
     group by chain_id, address, nonce having count(distinct anchor_id) > 1`,
  )
  const { rows: anchors } = await pool.query<{ id: number; root: Buffer }>(
    `select id, root from anchor where state in ('mined', 'finalized')`,
  )
  const { rows: attempts } = await pool.query<{ hash: Buffer; nonce: number; state: string }>(
    'select hash, nonce, state from attempt',
  )
  const missing = anchors.filter(({ root }) => !chain.has(hex(root))).map(({ id }) => id)

  const stored = new Set(attempts.map(({ hash }) => hex(hash)))
  const sent = stage.proxies
    .flatMap((proxy) => proxy.requests)
    .filter((request) => request.method === 'eth_sendRawTransaction')
    .map((request) => Transaction.from(String(request.params[0])).hash!)
  const strangers = new Set([...stage.unstored, ...sent.filter((hash) => !stored.has(hash))])
  const used = Number(await stage.rpc('eth_getTransactionCount', [PUBLISHER.address, 'latest']))
  const minedNonces = new Set(attempts.filter(({ state }) => state === 'mined').map(({ nonce }) => nonce))
  const unaccounted =
    used === minedNonces.size ? [] : [{ chainNonce: used, mined: minedNonces.size, CHAIN_ID }]
  return {
    rootsTwice: found('root twice', repeated) + found('batch in several anchors', shared),
    noncesTwice: found('nonce of several anchors', nonces),
    missing: found('anchor not on the chain', missing),
    unrecorded:
      found('sent but not stored before', [...strangers]) + found('nonces unaccounted for', unaccounted),
  }
}
