import { setTimeout as pause } from 'node:timers/promises'
import { parseReceipt, verifyReceipt } from 'holdfast-client'
import { REGISTRY_ADDRESS } from '../../src/anchor/contract/registry.generated.ts'
import type { Receipt, ReceiptAnchor } from '../../src/core/receipt.ts'
import { isUnderRoot, leafOfHash } from '../../src/verify/check-path.ts'
import type { ChainHistory } from './chain-history.ts'
import { type Load, readReceipt } from './load.ts'
import { type ChaosStage, PUBLISHER } from './stage.ts'

export type CheckedReceipts = {
  /** Acknowledged hashes that have a receipt which holds. */
  receipts: number
  /** Acknowledged hashes without a receipt. */
  lost: number
  /** Receipts that do not hold, or are not what was once handed out as final. */
  invalid: number
  /** Receipts that were seen with a block which a reorg took away, and hold now with another. */
  reissued: number
  details: string[]
}

const AT_ONCE = 1_000
const MOST_DETAILS = 40

/** The receipt, as a line of JSON, or the status of each acknowledged hash, asked of the replicas in turn. */
export async function collectReceipts(
  stage: Pick<ChaosStage, 'replicas'>,
  hashes: readonly string[],
): Promise<Map<string, string>> {
  const lines = new Map<string, string>()
  for (let from = 0; from < hashes.length; from += AT_ONCE) {
    const asked = hashes.slice(from, from + AT_ONCE)
    const { url } = stage.replicas[(from / AT_ONCE) % stage.replicas.length]!
    const answers = await receiptLines(url, asked)
    for (const [i, hash] of asked.entries()) lines.set(hash, answers[i] ?? 'null')
  }
  return lines
}

async function receiptLines(url: string, hashes: readonly string[]): Promise<string[]> {
  const response = await fetch(`${url}/v1/receipts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ hashes }),
    signal: AbortSignal.timeout(30_000),
  })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`receipts were answered with ${response.status}: ${text}`)
  return text.trim().split('\n')
}

/**
 * Checks every receipt with the verifier's own code: each path here, each anchor once by a live read of the chain, and
 * all against the chain's own history and what auditors were shown before.
 */
export async function checkReceipts(
  stage: Pick<ChaosStage, 'rpcUrl' | 'replicas'>,
  load: Pick<Load, 'seen'>,
  lines: ReadonlyMap<string, string>,
  chain: ChainHistory,
): Promise<CheckedReceipts> {
  const result: CheckedReceipts = { receipts: 0, lost: 0, invalid: 0, reissued: 0, details: [] }
  const say = (what: string) => {
    if (result.details.length < MOST_DETAILS) result.details.push(what)
  }
  const onChain = new Map<string, Promise<string | null>>()
  for (const [hash, line] of lines) {
    const answer = JSON.parse(line) as Receipt | { status: string } | null
    if (answer === null || !('anchors' in answer)) {
      result.lost += 1
      say(`lost: ${hash} ${line}`)
      continue
    }
    const anchors = JSON.stringify(answer.anchors)
    if (!onChain.has(anchors)) onChain.set(anchors, contradictionOnChain(stage.rpcUrl, hash, answer))
    const fault = faultOf(hash, answer, chain) ?? (await onChain.get(anchors)!)
    if (fault !== null) {
      result.invalid += 1
      say(`invalid: ${hash}: ${fault}`)
      continue
    }
    result.receipts += 1
    const seenIn = load.seen.mined.get(hash)
    if (seenIn !== undefined && !chain.blockHashes.has(seenIn)) result.reissued += 1
  }
  for (const [hash, before] of load.seen.finalized) {
    const now = await readReceiptPatiently(stage.replicas[0]!.url, hash)
    if (now === before) continue
    result.invalid += 1
    say(`changed after it was final: ${hash}: ${before} became ${now}`)
  }
  return result
}

async function readReceiptPatiently(url: string, hash: string): Promise<string | null> {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const answer = await readReceipt(url, hash)
    if (answer !== null) return answer.text
    await pause(200)
  }
  return null
}

/** What is wrong with a receipt by the verifier's path check and the chain's history; null when nothing is. */
function faultOf(hash: string, answer: Receipt, chain: ChainHistory): string | null {
  const receipt = parseReceipt(answer)
  if (receipt.hash !== hash) return `it is for ${receipt.hash}`
  if (leafOfHash(receipt.hash) !== receipt.leaf) return 'its leaf is not the hash’s'
  if (!isUnderRoot(receipt.leaf, receipt.path, receipt.batch.root)) {
    return 'its path does not lead to its batch'
  }
  if (receipt.anchors.length === 0) return 'it has no anchor'
  const stands = (anchor: ReceiptAnchor) =>
    (chain.roots.get(anchor.root) ?? []).some(
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

/** The whole verifier, reading the chain live; null when it finds nothing wrong. */
async function contradictionOnChain(rpcUrl: string, hash: string, receipt: Receipt): Promise<string | null> {
  const result = await verifyReceipt(receipt, {
    rpc: () => rpcUrl,
    hash,
    registry: REGISTRY_ADDRESS,
    publisher: PUBLISHER.address,
  })
  return result.valid ? null : JSON.stringify(result.checks.filter((check) => !check.ok))
}
