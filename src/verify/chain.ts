/**
 * What one anchor of a receipt says about its chain, compared with what an endpoint of that chain says now. Isomorphic.
 * In: the anchor and endpoint URLs. Out: checks in plain words, and whether the chain confirms the anchor, contradicts
 * it, or could not tell.
 */
import * as z from 'zod'
import type { ReceiptAnchor } from '../core/receipt.ts'
import { anchoredAtCall, anchoredTopics } from './registry.ts'
import { type Endpoint, openEndpoint, ReadFault, type ReadLimits } from './rpc.ts'

/** One thing that was checked, in words for an auditor. */
export type Check = { name: string; ok: boolean; detail: string }

export type ChainReading = {
  /** `unread`: the chain neither confirms nor contradicts the anchor; ask again or ask another endpoint. */
  outcome: 'confirmed' | 'contradicted' | 'unread'
  /** As the chain says now, whatever the receipt says. */
  status: 'mined' | 'finalized' | 'unknown'
  checks: Check[]
}

const data = z.string().regex(/^0x[0-9a-f]*$/i)
const quantity = data.transform((hex) => Number(hex)).refine(Number.isSafeInteger)
const word = z.string().transform((hex) => hex.toLowerCase())

const transactionShape = z
  .object({
    status: quantity,
    blockNumber: quantity,
    blockHash: word,
    logs: z.array(z.object({ address: word, topics: z.array(word), removed: z.boolean().optional() })),
  })
  .nullable()
const blockShape = z.object({ number: quantity, hash: word, timestamp: quantity }).nullable()

type Transaction = z.infer<typeof transactionShape>
type Block = z.infer<typeof blockShape>
type Seen = {
  head: number
  transaction: Transaction
  block: Block
  finalized: Block | 'not told'
  storedAt: number | undefined
}

/**
 * Asks the endpoints in turn until one confirms the anchor. An endpoint which is behind, serves another chain or does
 * not answer counts as unread; a contradiction stands only when no other endpoint confirms.
 * Never rejects for what an endpoint does.
 */
export async function readAnchor(
  anchor: ReceiptAnchor,
  urls: string[],
  limits: ReadLimits,
): Promise<ChainReading> {
  if (urls.length === 0) return unread([`no RPC endpoint was given for ${anchor.chainId}`])
  const faults: string[] = []
  let contradiction: ChainReading | undefined
  for (const [i, url] of urls.entries()) {
    const which = urls.length === 1 ? 'the endpoint' : `endpoint ${i + 1} of ${urls.length}`
    try {
      const reading = compare(anchor, await look(anchor, url, limits), which)
      if (reading.outcome === 'confirmed') return reading
      contradiction ??= reading
    } catch (error) {
      if (!(error instanceof ReadFault)) throw error
      faults.push(`${which}: ${error.message}`)
    }
  }
  return contradiction ?? unread(faults)
}

function unread(faults: string[]): ChainReading {
  const detail = `The chain could not be read, which says nothing about the receipt: ${faults.join('; ')}.`
  return { outcome: 'unread', status: 'unknown', checks: [{ name: 'chain', ok: false, detail }] }
}

async function look(anchor: ReceiptAnchor, url: string, limits: ReadLimits): Promise<Seen> {
  const chainId = Number(anchor.chainId.slice('eip155:'.length))
  const endpoint = openEndpoint(url, limits)
  try {
    const served = shaped(quantity, await endpoint.send('eth_chainId', []))
    if (served !== chainId) throw new ReadFault(`it serves chain ${served}, not ${chainId}`)
    const [transaction, block, finalized, storedAt] = await Promise.all([
      endpoint.send('eth_getTransactionReceipt', [anchor.transactionHash]),
      endpoint.send('eth_getBlockByNumber', [`0x${anchor.blockNumber.toString(16)}`, false]),
      finalizedBlock(endpoint),
      storedTime(endpoint, anchor),
    ])
    // The head comes last: a block that was missing above although the head is past it is really missing.
    const head = shaped(quantity, await endpoint.send('eth_blockNumber', []))
    return {
      head,
      transaction: shaped(transactionShape, transaction),
      block: shaped(blockShape, block),
      finalized,
      storedAt,
    }
  } finally {
    endpoint.close()
  }
}

/** Chains without the `finalized` tag answer with an error; that is an answer too. */
async function finalizedBlock(endpoint: Endpoint): Promise<Block | 'not told'> {
  const answer = await orFault(endpoint.send('eth_getBlockByNumber', ['finalized', false]))
  return answer instanceof ReadFault ? 'not told' : shaped(blockShape, answer)
}

/** The registry's own record of the root, in seconds; undefined when the contract did not answer with a number. */
async function storedTime(endpoint: Endpoint, anchor: ReceiptAnchor): Promise<number | undefined> {
  const call = { to: anchor.registry, data: anchoredAtCall(anchor.publisher, anchor.root) }
  const answer = await orFault(endpoint.send('eth_call', [call, 'latest']))
  return typeof answer === 'string' && /^0x[0-9a-f]{64}$/i.test(answer) ? Number(answer) : undefined
}

async function orFault(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof ReadFault) return error
    throw error
  }
}

function shaped<T extends z.ZodType>(shape: T, answer: unknown): z.infer<T> {
  const parsed = shape.safeParse(answer)
  if (!parsed.success) throw new ReadFault('it gave an answer that is not Ethereum JSON-RPC')
  return parsed.data
}

function compare(anchor: ReceiptAnchor, seen: Seen, which: string): ChainReading {
  if (seen.transaction === null && seen.head < anchor.blockNumber) {
    throw new ReadFault(`it is only at block ${seen.head}, before block ${anchor.blockNumber} of the receipt`)
  }
  const checks = [
    {
      name: 'chain',
      ok: true,
      detail: `Read live from ${which}, which serves ${anchor.chainId} and is at block ${seen.head}.`,
    },
    checkTransaction(anchor, seen.transaction),
    checkEvent(anchor, seen.transaction),
    checkBlock(anchor, seen.block),
    checkTime(anchor, seen.block),
  ]
  if (checks.some((check) => !check.ok)) return { outcome: 'contradicted', status: 'unknown', checks }
  const isFinal =
    typeof seen.finalized === 'object' &&
    seen.finalized !== null &&
    seen.finalized.number >= anchor.blockNumber
  if (!isFinal && anchor.status === 'finalized' && seen.finalized !== 'not told') {
    const at =
      seen.finalized === null ? 'no block is final yet' : `only block ${seen.finalized.number} is final`
    throw new ReadFault(`the receipt says finalized, but by its word ${at}: it may be behind`)
  }
  checks.push(
    storageCheck(anchor, seen.storedAt),
    finalityCheck(anchor, isFinal, seen.finalized === 'not told'),
  )
  return { outcome: 'confirmed', status: isFinal ? 'finalized' : 'mined', checks }
}

function checkTransaction(anchor: ReceiptAnchor, transaction: Transaction): Check {
  const name = 'transaction'
  const { transactionHash, blockNumber, blockHash } = anchor
  if (transaction === null)
    return { name, ok: false, detail: `The chain has no mined transaction ${transactionHash}.` }
  if (transaction.status !== 1)
    return { name, ok: false, detail: `Transaction ${transactionHash} was reverted.` }
  if (transaction.blockNumber !== blockNumber || transaction.blockHash !== blockHash) {
    const where = `block ${transaction.blockNumber} (${transaction.blockHash})`
    return {
      name,
      ok: false,
      detail: `Transaction ${transactionHash} is in ${where}, not in the block of the receipt.`,
    }
  }
  return { name, ok: true, detail: `Transaction ${transactionHash} succeeded in block ${blockNumber}.` }
}

function checkEvent(anchor: ReceiptAnchor, transaction: Transaction): Check {
  const topics = anchoredTopics(anchor.publisher, anchor.root)
  const ok =
    transaction?.logs.some(
      (log) =>
        log.removed !== true &&
        log.address === anchor.registry.toLowerCase() &&
        log.topics.length === topics.length &&
        log.topics.every((topic, i) => topic === topics[i]),
    ) ?? false
  const what = `contract ${anchor.registry} reported root ${anchor.root} as shown by ${anchor.publisher}`
  return {
    name: 'event',
    ok,
    detail: ok ? `In it, ${what}.` : `It is not so that ${what} in this transaction.`,
  }
}

function checkBlock(anchor: ReceiptAnchor, block: Block): Check {
  const name = 'block'
  if (block === null) return { name, ok: false, detail: `The chain has no block ${anchor.blockNumber}.` }
  const ok = block.hash === anchor.blockHash && block.number === anchor.blockNumber
  const detail = ok
    ? `Block ${anchor.blockNumber} of the chain has the hash ${anchor.blockHash}.`
    : `Block ${anchor.blockNumber} of the chain is now ${block.hash}, not ${anchor.blockHash}.`
  return { name, ok, detail }
}

function checkTime(anchor: ReceiptAnchor, block: Block): Check {
  const name = 'time'
  if (block === null) return { name, ok: false, detail: 'Without the block there is no time.' }
  const ok = block.timestamp * 1000 === Date.parse(anchor.blockTime)
  const detail = ok
    ? `The block's own time is ${anchor.blockTime}: the record existed by then.`
    : `The block's own time is ${instant(block.timestamp)}, not ${anchor.blockTime}.`
  return { name, ok, detail }
}

/** Tells, and does not judge: in event mode nothing is stored, and the event has been found. */
function storageCheck(anchor: ReceiptAnchor, storedAt: number | undefined): Check {
  const name = 'storage'
  if (storedAt === undefined)
    return { name, ok: true, detail: 'The contract did not tell what it stores; the event is the proof.' }
  if (storedAt === 0)
    return {
      name,
      ok: true,
      detail: 'The contract stores nothing for this root (event mode); the event is the proof.',
    }
  return {
    name,
    ok: true,
    detail: `The contract stores that ${anchor.publisher} first anchored this root at ${instant(storedAt)}.`,
  }
}

function finalityCheck(anchor: ReceiptAnchor, isFinal: boolean, notTold: boolean): Check {
  const name = 'finality'
  if (isFinal) return { name, ok: true, detail: 'The block is final by the chain\'s own "finalized" mark.' }
  if (!notTold)
    return {
      name,
      ok: true,
      detail: 'The block is not final yet: the chain could still drop it. Check again later.',
    }
  const said =
    anchor.status === 'finalized'
      ? 'that it is final is only stated by the receipt'
      : 'nobody says that it is final'
  return { name, ok: true, detail: `The endpoint does not tell which block is final; ${said}.` }
}

function instant(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? `second ${seconds}` : date.toISOString()
}
