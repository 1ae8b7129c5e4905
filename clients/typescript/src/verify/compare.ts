/** An anchor of a receipt compared with the facts of one endpoint. Pure. */
import type { Block, TransactionReceipt } from '../chain-reads.ts'
import type { ReceiptAnchor } from '../format.ts'
import { type AnchorFacts, Untold } from './anchor-facts.ts'
import { anchoredTopics } from './registry-calls.ts'
import { type Check, failed, noted, passed } from './verification.ts'

export type Comparison =
  | { outcome: 'confirmed'; final: boolean | null; checks: Check[] }
  | { outcome: 'denied'; checks: Check[] }
  | { outcome: 'unread'; why: string }

/** No EVM chain had a block before Ethereum's first. */
const FIRST_EVM_BLOCK = 1_438_269_973n

/**
 * A fact that contradicts the anchor denies it. A fact that is missing is made up for by another, or leaves the anchor
 * unread: nodes lag, and forget old transactions and blocks.
 */
export function compare(anchor: ReceiptAnchor, facts: AnchorFacts): Comparison {
  const { transaction, block, head } = facts
  if (!isThere(transaction) && head.number < anchor.blockNumber) {
    return unread(`it is only at block ${head.number}, before block ${anchor.blockNumber} of the receipt`)
  }
  const checks: Check[] = []
  if (isThere(transaction))
    checks.push(checkTransaction(anchor, transaction), checkEvent(anchor, transaction))
  else if (isThere(block) && lacks(block, anchor)) checks.push(failed('transaction', notInBlock(anchor)))
  if (isThere(block)) checks.push(checkBlock(anchor, block), checkTime(anchor, block))
  if (checks.some(({ ok }) => !ok)) return { outcome: 'denied', checks }

  if (!isThere(transaction)) {
    const gap = gapWithoutTransaction(anchor, facts)
    if (gap !== null) return unread(gap)
    checks.unshift(passed('transaction', listed(anchor)), passed('event', vouched(anchor, facts)))
  } else if (!isThere(block)) {
    const gap = gapWithoutBlock(anchor, facts)
    if (gap !== null) return unread(gap)
    const detail = `The contract stores the block's time, ${anchor.blockTime}: the record existed by then.`
    checks.push(passed('block', blockByTransaction(anchor)), passed('time', detail))
  }
  checks.push(storageCheck(anchor, facts))
  const final = facts.finalized instanceof Untold ? null : facts.finalized >= anchor.blockNumber
  return { outcome: 'confirmed', final, checks }
}

function isThere<T>(fact: T | null | Untold): fact is T {
  return fact !== null && !(fact instanceof Untold)
}

function unread(why: string): Comparison {
  return { outcome: 'unread', why }
}

function checkTransaction(anchor: ReceiptAnchor, transaction: TransactionReceipt): Check {
  const { transactionHash, blockNumber, blockHash } = anchor
  if (!transaction.succeeded) return failed('transaction', `Transaction ${transactionHash} was reverted.`)
  if (transaction.blockNumber !== blockNumber || transaction.blockHash !== blockHash) {
    const where = `block ${transaction.blockNumber} (${transaction.blockHash})`
    return failed(
      'transaction',
      `Transaction ${transactionHash} is in ${where}, not in the block of the receipt.`,
    )
  }
  return passed('transaction', `Transaction ${transactionHash} succeeded in block ${blockNumber}.`)
}

function checkEvent(anchor: ReceiptAnchor, transaction: TransactionReceipt): Check {
  const { registry, root, publisher } = anchor
  const topics = anchoredTopics(publisher, root)
  const address = registry.toLowerCase()
  const found = transaction.logs.some(
    (log) =>
      log.address === address &&
      log.topics.length === topics.length &&
      log.topics.every((topic, i) => topic === topics[i]),
  )
  return found
    ? passed('event', `In it, contract ${registry} reported root ${root} as shown by ${publisher}.`)
    : failed(
        'event',
        `In this transaction, contract ${registry} did not report root ${root} as shown by ${publisher}.`,
      )
}

function checkBlock(anchor: ReceiptAnchor, block: Block): Check {
  return block.hash === anchor.blockHash
    ? passed('block', `Block ${anchor.blockNumber} of the chain has the hash ${anchor.blockHash}.`)
    : failed(
        'block',
        `Block ${anchor.blockNumber} of the chain is now ${block.hash}, not ${anchor.blockHash}.`,
      )
}

function checkTime(anchor: ReceiptAnchor, block: Block): Check {
  return block.timestamp * 1000 === Date.parse(anchor.blockTime)
    ? passed('time', `The block's own time is ${anchor.blockTime}: the record existed by then.`)
    : failed('time', `The block's own time is ${instant(block.timestamp)}, not ${anchor.blockTime}.`)
}

/** Whether the block is known to hold other transactions only. */
function lacks(block: Block, anchor: ReceiptAnchor): boolean {
  return (
    block.hash === anchor.blockHash &&
    block.transactions !== null &&
    !block.transactions.includes(anchor.transactionHash)
  )
}

function notInBlock({ transactionHash, blockNumber }: ReceiptAnchor): string {
  return `Block ${blockNumber} does not hold transaction ${transactionHash}.`
}

/** Why the list of the block and the registry's own record do not make up for the transaction; null when they do. */
function gapWithoutTransaction(
  anchor: ReceiptAnchor,
  { transaction, block, storedAt }: AnchorFacts,
): string | null {
  const lost = `it does not have transaction ${anchor.transactionHash}${reasonOf(transaction)}`
  if (!isThere(block)) return `${lost}, and does not have block ${anchor.blockNumber}${reasonOf(block)}`
  if (block.transactions === null)
    return `${lost}, and does not list the transactions of block ${block.number}`
  if (storedAt instanceof Untold) return `${lost}, and the contract did not answer${reasonOf(storedAt)}`
  if (storedAt === 0n)
    return `${lost}, and the contract stores nothing for the root: only the transaction could show it`
  if (storedAt > BigInt(block.timestamp)) {
    return `${lost}, and the contract stores a later time than the block's: ${instant(storedAt)}`
  }
  return null
}

function gapWithoutBlock(anchor: ReceiptAnchor, { block, storedAt }: AnchorFacts): string | null {
  if (!(storedAt instanceof Untold) && storedAt * 1000n === BigInt(Date.parse(anchor.blockTime))) return null
  return `it does not have block ${anchor.blockNumber}${reasonOf(block)}, so that the block's time cannot be compared`
}

function reasonOf(fact: unknown): string {
  return fact instanceof Untold ? ` (${fact.message})` : ''
}

function listed({ transactionHash, blockNumber }: ReceiptAnchor): string {
  return `Block ${blockNumber} lists transaction ${transactionHash}; the endpoint no longer has its receipt.`
}

function vouched({ registry, publisher, root }: ReceiptAnchor, { storedAt }: AnchorFacts): string {
  return `Contract ${registry} stores that ${publisher} showed root ${root} first at ${instant(storedAt as bigint)}.`
}

function blockByTransaction({ blockNumber, blockHash }: ReceiptAnchor): string {
  return `The transaction's receipt names block ${blockNumber} (${blockHash}); the endpoint no longer has the block.`
}

/** The event is the proof, and in event mode nothing is stored: an odd time is noted, and decides nothing. */
function storageCheck(anchor: ReceiptAnchor, { storedAt, head }: AnchorFacts): Check {
  const name = 'storage'
  if (storedAt instanceof Untold) {
    return noted(
      name,
      `The contract did not say what it stores (${storedAt.message}); the event is the proof.`,
    )
  }
  if (storedAt === 0n) {
    return passed(name, 'The contract stores nothing for this root (event mode); the event is the proof.')
  }
  const blockTime = BigInt(Date.parse(anchor.blockTime)) / 1000n
  const time = instant(storedAt)
  if (storedAt === blockTime) {
    return passed(
      name,
      `The contract stores that ${anchor.publisher} first anchored this root at ${time}, the block's time.`,
    )
  }
  if (storedAt > BigInt(head.timestamp) || (storedAt < FIRST_EVM_BLOCK && blockTime >= FIRST_EVM_BLOCK)) {
    return noted(
      name,
      `The contract stores an impossible time for this root: ${time}. Do not rely on this contract or this endpoint.`,
    )
  }
  return storedAt < blockTime
    ? noted(
        name,
        `The contract stores that ${anchor.publisher} first anchored this root at ${time}, before the block of the receipt.`,
      )
    : noted(
        name,
        `The contract stores that ${anchor.publisher} first anchored this root at ${time}, after the block of the receipt: there the root was only announced.`,
      )
}

/** The time as RFC 3339, or the number where no calendar has it. */
function instant(seconds: number | bigint): string {
  const date = new Date(Number(seconds) * 1000)
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9999) return `second ${seconds}`
  return date.toISOString()
}
