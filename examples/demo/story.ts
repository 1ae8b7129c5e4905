/**
 * The whole story once: a public data set goes in record by record, comes back as receipts, and each receipt is
 * checked on the chain; then one field of one row is changed, and its check fails. In: where a daemon and its chain
 * listen. Out: what was counted and timed, and every reason why the story did not hold.
 */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createHoldfastClient, verifyReceipt } from 'holdfast-client'
import type { Hex } from '../../dist/core/hash.js'
import { toHex } from '../../dist/core/hash.js'
import type { Receipt } from '../../dist/core/receipt.js'
import { recordHash } from '../../dist/core/record-hash.js'
import { callRpc } from '../../dist/dev/rpc.js'

export type DemoRow = Record<string, string | number | boolean | null>

export type StoryResult = {
  rows: number
  receipts: number
  verified: number
  batches: number
  anchors: { transactionHash: string; blockNumber: number; gasUsed: number; batches: number }[]
  altered: { field: string; from: unknown; to: unknown; detail: string }
  seconds: { push: number; anchored: number; fetch: number; verify: number }
  /** Empty when everything held. */
  faults: string[]
}

const RECORDS_A_REQUEST = 1_000
const VERIFY_AT_ONCE = 16
const patience = { deadlineMs: 120_000, pollMs: 250 }

/** The films of vega-datasets: 3,201 rows of texts, numbers and nulls as they were published. */
export function readFilms(): DemoRow[] {
  const entry = fileURLToPath(import.meta.resolve('vega-datasets'))
  return JSON.parse(readFileSync(join(dirname(dirname(entry)), 'data', 'movies.json'), 'utf8')) as DemoRow[]
}

/** Plays the story. @param say one line for each step, for people */
export async function playStory(options: {
  rows: readonly DemoRow[]
  url: string
  apiKey: string
  rpcUrl: string
  chainId: number
  /** The publisher and registry that an auditor would know from elsewhere. */
  expect: { publisher: string; registry: string }
  say: (line: string) => void
}): Promise<StoryResult> {
  const { rows, say } = options
  const faults: string[] = []
  const client = createHoldfastClient({ url: options.url, apiKey: options.apiKey })
  const timer = stopwatch()

  const hashes = await pushRows(options)
  const ours = rows.map((row) => toHex(recordHash(row)))
  const strange = hashes.findIndex((hash, index) => hash !== ours[index])
  if (strange !== -1) faults.push(`row ${strange} was hashed to ${hashes[strange]}, not ${ours[strange]}`)
  const push = timer()
  say(`pushed ${hashes.length} records; waiting for the next tick`)

  await client.waitFor(hashes.at(-1)!, 'anchored', patience)
  const anchored = timer()
  say('anchored; fetching a receipt for each record')

  const receipts: Receipt[] = []
  for await (const answer of client.receipts(hashes)) {
    // A tick may fall between two requests; the rest is then in the next anchor.
    const receipt = 'format' in answer ? answer : await client.waitFor(answer.hash, 'anchored', patience)
    receipts.push(receipt)
  }
  const fetch = timer()
  say(`fetched ${receipts.length} receipts; checking each of them on the chain`)

  const check = (receipt: Receipt, record: DemoRow) =>
    verifyReceipt(receipt, {
      rpc: { [options.chainId]: options.rpcUrl },
      ...options.expect,
      record,
    })
  const rowOf = new Map(rows.map((row, index) => [ours[index], row]))
  let verified = 0
  await each(receipts, VERIFY_AT_ONCE, async (receipt) => {
    const result = await check(receipt, rowOf.get(receipt.hash)!)
    if (result.valid) verified++
    else faults.push(`${receipt.hash}: ${result.checks.find(({ ok }) => !ok)?.detail}`)
  })
  const verify = timer()

  const { altered, fault } = await alterOne(rows, receipts, ours, check)
  if (fault !== null) faults.push(fault)
  return {
    rows: rows.length,
    receipts: receipts.length,
    verified,
    batches: new Set(receipts.map(({ batch }) => batch.root)).size,
    anchors: await anchorsOf(receipts, options.rpcUrl),
    altered,
    seconds: { push, anchored, fetch, verify },
    faults,
  }
}

/** Pushes the rows' content as `{records: […]}`; the answers' hashes, in the order of the rows. */
async function pushRows(options: { rows: readonly DemoRow[]; url: string; apiKey: string }): Promise<Hex[]> {
  const hashes: Hex[] = []
  for (let from = 0; from < options.rows.length; from += RECORDS_A_REQUEST) {
    const response = await fetch(new URL('/v1/records', options.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${options.apiKey}` },
      body: JSON.stringify({ records: options.rows.slice(from, from + RECORDS_A_REQUEST) }),
    })
    if (response.status !== 202)
      throw new Error(`POST /v1/records: ${response.status} ${await response.text()}`)
    hashes.push(...((await response.json()) as { hashes: Hex[] }).hashes)
  }
  return hashes
}

type Check = (receipt: Receipt, record: DemoRow) => ReturnType<typeof verifyReceipt>

/** Changes one number of one row in the middle by one: its receipt must still hold for the row, and not for the change. */
async function alterOne(
  rows: readonly DemoRow[],
  receipts: readonly Receipt[],
  hashes: readonly Hex[],
  check: Check,
): Promise<{ altered: StoryResult['altered']; fault: string | null }> {
  const field = 'US Gross'
  const index = rows.findIndex((row, at) => at >= rows.length / 2 && typeof row[field] === 'number')
  const row = rows[index]!
  const receipt = receipts.find(({ hash }) => hash === hashes[index])
  const from = row[field]
  const to = (from as number) + 1
  if (receipt === undefined) {
    return {
      altered: { field, from, to, detail: '' },
      fault: `row ${index} has no receipt to check its change against`,
    }
  }
  const [genuine, changed] = await Promise.all([check(receipt, row), check(receipt, { ...row, [field]: to })])
  const failed = changed.checks.find(({ ok }) => !ok)
  const caught = genuine.valid && !changed.valid && failed?.name === 'record'
  return {
    altered: { field: `${field} of “${row.Title}”`, from, to, detail: failed?.detail ?? 'no check failed' },
    fault: caught ? null : `an altered row was not told from the genuine one (row ${index})`,
  }
}

/** Each anchor's transaction, with what the chain says it cost. */
async function anchorsOf(receipts: readonly Receipt[], rpcUrl: string): Promise<StoryResult['anchors']> {
  const batchesOf = new Map<string, Set<string>>()
  for (const { anchors, batch } of receipts) {
    for (const { transactionHash } of anchors) {
      const batches = batchesOf.get(transactionHash) ?? new Set()
      batchesOf.set(transactionHash, batches.add(batch.root))
    }
  }
  return await Promise.all(
    [...batchesOf].map(async ([transactionHash, batches]) => {
      const mined = (await callRpc(rpcUrl, 'eth_getTransactionReceipt', [transactionHash])) as {
        blockNumber: Hex
        gasUsed: Hex
      }
      return {
        transactionHash,
        blockNumber: Number(mined.blockNumber),
        gasUsed: Number(mined.gasUsed),
        batches: batches.size,
      }
    }),
  )
}

async function each<T>(items: readonly T[], atOnce: number, run: (item: T) => Promise<void>): Promise<void> {
  const rest = items[Symbol.iterator]()
  const worker = async () => {
    for (const item of rest) await run(item)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

/** A function that gives the seconds since it was last called. */
function stopwatch(): () => number {
  let last = performance.now()
  return () => {
    const now = performance.now()
    const seconds = (now - last) / 1000
    last = now
    return seconds
  }
}
