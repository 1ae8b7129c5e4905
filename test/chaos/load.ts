/** Producers, which remember exactly what was acknowledged, and auditors, who look at receipts while all goes wrong. */
import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { verifyReceipt } from 'holdfast-client'
import type { Receipt } from '../../src/core/receipt.ts'
import { randomOf } from './schedule.ts'
import type { ChaosStage } from './stage.ts'

/** What auditors were shown and keep, to be compared with what they are shown later. */
export type Seen = {
  /** The answer's own bytes of each receipt that was once handed out as finalized, by hash: it may never change. */
  finalized: Map<string, string>
  /** The last block hash that a receipt named while it was `mined`, by hash: a reorg may take it away. */
  mined: Map<string, string>
}

export type Load = {
  /** Hashes of which a 202 was seen, lower-case 0x. */
  acknowledged: string[]
  /** Receipts that were looked at and held. */
  audited(): number
  /** What producers and auditors saw and nobody should. */
  faults: string[]
  seen: Seen
  stop(): Promise<void>
}

const PRODUCERS = 3
const AUDITORS = 2
const TIMEOUT_MS = 3_000
/** Among the newest so many hashes are those whose receipts are at `mined` now. */
const NEWEST = 2_000

export function startLoad(
  stage: Pick<ChaosStage, 'replicas' | 'apiKey' | 'rpcUrl' | 'rpc'>,
  seed: number,
): Load {
  const urls = stage.replicas.map((replica) => replica.url)
  const acknowledged: string[] = []
  const faults: string[] = []
  const seen: Seen = { finalized: new Map(), mined: new Map() }
  let audited = 0
  let stopped = false

  async function produce(producer: number): Promise<void> {
    const random = randomOf(seed * 1_000 + producer)
    for (let request = 0; !stopped; request += 1) {
      const count = random() < 0.5 ? 1 : 1 + Math.floor(random() * 60)
      const hashes = Array.from({ length: count }, (_, i) =>
        createHash('sha256').update(`${seed}/${producer}/${request}/${i}`).digest('hex'),
      )
      const url = urls[Math.floor(random() * urls.length)]!
      const form = random()
      const status = await post(`${url}/v1/records`, stage.apiKey, ...bodyOf(hashes, form))
      if (status === 202) for (const hash of hashes) acknowledged.push(`0x${hash}`)
      else if (status !== null && status < 500 && status !== 408) {
        faults.push(`a push was answered with ${status}`)
      }
      await pause(status === 202 ? 30 + random() * 90 : 100)
    }
  }

  async function audit(auditor: number): Promise<void> {
    const random = randomOf(seed * 1_000 + 500 + auditor)
    while (!stopped) {
      await pause(40 + random() * 60)
      const hash = choose(random)
      const url = urls[Math.floor(random() * urls.length)]!
      if (hash === undefined) continue
      const answer = await readReceipt(url, hash)
      if (answer !== null) await look(hash, answer)
    }
  }

  /** A new one, one that was final before, or any. */
  function choose(random: () => number): string | undefined {
    const kind = random()
    const oneOf = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)]
    if (kind < 0.5) return oneOf(acknowledged.slice(-NEWEST))
    if (kind < 0.7 && seen.finalized.size > 0) return oneOf([...seen.finalized.keys()])
    return oneOf(acknowledged)
  }

  async function look(hash: string, { receipt, text }: ReceiptAnswer): Promise<void> {
    const final = receipt.anchors.find((anchor) => anchor.status === 'finalized')
    const before = seen.finalized.get(hash)
    if (before !== undefined && before !== text) {
      faults.push(`the finalized receipt of ${hash} changed from ${before} to ${text}`)
    }
    if (final !== undefined && !(await isFinal(final.blockNumber))) {
      faults.push(`the receipt of ${hash} calls block ${final.blockNumber} final, which it is not`)
    }
    const result = await verifyReceipt(receipt, { rpc: () => stage.rpcUrl, hash })
    if (result.valid) {
      audited += 1
      if (final !== undefined) seen.finalized.set(hash, before ?? text)
      else for (const { blockHash } of receipt.anchors) seen.mined.set(hash, blockHash)
      return
    }
    // A block that was only mined may have been replaced between the two looks; what proves the root may not fail.
    const failed = result.checks.filter((check) => !check.ok)
    const ownFault = failed.some((check) => !/^anchors\[\d+\]\.(?!path)/.test(check.name))
    if (ownFault || (final !== undefined && result.conclusive)) {
      faults.push(`receipt of ${hash}: ${failed.map((check) => `${check.name}: ${check.detail}`).join(' ')}`)
    }
  }

  /** Asks a few times: while it reorganises, the node's head is lower for an instant. */
  async function isFinal(blockNumber: number): Promise<boolean> {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const block = (await stage.rpc('eth_getBlockByNumber', ['finalized', false])) as {
        number: string
      } | null
      if (block !== null && Number(block.number) >= blockNumber) return true
      await pause(50)
    }
    return false
  }

  const running = [
    ...Array.from({ length: PRODUCERS }, (_, i) => produce(i)),
    ...Array.from({ length: AUDITORS }, (_, i) => audit(i)),
  ]
  return {
    acknowledged,
    audited: () => audited,
    faults,
    seen,
    async stop() {
      stopped = true
      await Promise.all(running)
    },
  }
}

function bodyOf(hashes: readonly string[], form: number): [type: string, body: string | Buffer] {
  if (hashes.length === 1 && form < 0.5) return ['application/json', JSON.stringify({ hash: hashes[0] })]
  if (form < 0.5) return ['application/json', JSON.stringify({ hashes })]
  return ['application/octet-stream', Buffer.from(hashes.join(''), 'hex')]
}

/** The status, or null when none came: then it may have been stored or not, and nothing was promised. */
async function post(
  url: string,
  apiKey: string,
  type: string,
  body: string | Buffer,
): Promise<number | null> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': type, authorization: `Bearer ${apiKey}` },
      body: typeof body === 'string' ? body : new Uint8Array(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    await response.arrayBuffer()
    return response.status
  } catch {
    return null
  }
}

/** `text` is the answer as it came. */
export type ReceiptAnswer = { receipt: Receipt; text: string }

/** Null while there is none, and while nobody answers. */
export async function readReceipt(url: string, hash: string): Promise<ReceiptAnswer | null> {
  try {
    const response = await fetch(`${url}/v1/records/${hash}/receipt`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const text = await response.text()
    return response.status === 200 ? { receipt: JSON.parse(text) as Receipt, text } : null
  } catch {
    return null
  }
}
