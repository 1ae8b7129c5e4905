/** Producers, which remember exactly what was acknowledged, and auditors, who look at receipts while all goes wrong. */
import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Receipt } from '../../src/core/receipt.ts'
import { verifyReceipt } from '../../src/verify/verify-receipt.ts'
import { randomOf } from './schedule.ts'

export type Load = {
  /** Hashes of which a 202 was seen, lower-case 0x. */
  acknowledged: string[]
  /** Receipts that were looked at and held. */
  audited(): number
  /** What auditors saw and nobody should. */
  faults: string[]
  /** Anchors of receipts that were once handed out as finalized, by hash: they may never change. */
  finalized: Map<string, string>
  stop(): Promise<void>
}

const PRODUCERS = 3
const AUDITORS = 2
const TIMEOUT_MS = 3_000

export function startLoad(options: {
  seed: number
  urls: readonly string[]
  apiKey: string
  rpcUrl: string
}): Load {
  const { seed, urls, apiKey, rpcUrl } = options
  const acknowledged: string[] = []
  const faults: string[] = []
  const finalized = new Map<string, string>()
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
      const status = await post(`${url}/v1/records`, apiKey, ...bodyOf(hashes, form))
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
      await pause(80 + random() * 80)
      const hash = acknowledged[Math.floor(random() * acknowledged.length)]
      const url = urls[Math.floor(random() * urls.length)]!
      if (hash === undefined) continue
      const receipt = await receiptOf(url, hash)
      if (receipt === null) continue
      const isFinal = receipt.anchors.some((anchor) => anchor.status === 'finalized')
      const result = await verifyReceipt(receipt, { rpc: () => rpcUrl, hash })
      if (result.valid) {
        audited += 1
        const anchors = JSON.stringify(receipt.anchors)
        if (isFinal && (finalized.get(hash) ?? anchors) !== anchors) {
          faults.push(`the finalized receipt of ${hash} changed`)
        }
        if (isFinal) finalized.set(hash, anchors)
        continue
      }
      // A block that was only mined may have been replaced between the two looks; what proves the root may not fail.
      const failed = result.checks.filter((check) => !check.ok)
      const ownFault = failed.some((check) => !/^anchors\[\d+\]\.(?!path)/.test(check.name))
      if (ownFault || (isFinal && result.conclusive)) {
        faults.push(
          `receipt of ${hash}: ${failed.map((check) => `${check.name}: ${check.detail}`).join(' ')}`,
        )
      }
    }
  }

  const running = [
    ...Array.from({ length: PRODUCERS }, (_, i) => produce(i)),
    ...Array.from({ length: AUDITORS }, (_, i) => audit(i)),
  ]
  return {
    acknowledged,
    audited: () => audited,
    faults,
    finalized,
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

/** Null while there is none, and while nobody answers. */
async function receiptOf(url: string, hash: string): Promise<Receipt | null> {
  try {
    const response = await fetch(`${url}/v1/records/${hash}/receipt`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const answer = (await response.json()) as Receipt
    return response.status === 200 ? answer : null
  } catch {
    return null
  }
}
