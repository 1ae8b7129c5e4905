/**
 * One anchor, by every endpoint of its chain. All endpoints that answer must agree; one that lags, has forgotten, serves
 * another chain or does not answer is unread, and decides nothing.
 */
import type { ReceiptAnchor } from '../format.ts'
import { readFacts } from './anchor-facts.ts'
import { type Comparison, compare } from './compare.ts'
import type { Endpoint, EndpointPool } from './endpoints.ts'
import {
  type AnchorReading,
  type Check,
  type EndpointAnswer,
  failed,
  passed,
  unread,
} from './verification.ts'

type Answered = { answer: EndpointAnswer; checks: Check[]; final: boolean | null }

/** Never rejects for what an endpoint does. */
export function createAnchorReader(options: {
  pool: EndpointPool
  /** Endpoints that must answer, and agree. */
  require: number
}): (anchor: ReceiptAnchor) => Promise<AnchorReading> {
  return async (anchor) => {
    const endpoints = options.pool.of(anchor.chainId)
    const asked = await Promise.all(endpoints.map((endpoint) => askEndpoint(endpoint, anchor)))
    return combine(
      anchor,
      asked.filter((one) => one !== null),
      options.require,
    )
  }
}

/** Null for an endpoint that was given for no chain in particular, and serves another. */
async function askEndpoint(endpoint: Endpoint, anchor: ReceiptAnchor): Promise<Answered | null> {
  try {
    const chainId = Number(anchor.chainId.slice('eip155:'.length))
    const served = await endpoint.chainId()
    if (served !== chainId) {
      return endpoint.isForChain ? unreadBy(endpoint, `it serves chain ${served}, not ${chainId}`) : null
    }
    const facts = await readFacts(endpoint.ask, anchor)
    const comparison = compare(anchor, facts)
    if (comparison.outcome === 'unread') return unreadBy(endpoint, comparison.why)
    const detail = detailOf(comparison, facts.head.number)
    const { outcome, checks } = comparison
    const final = outcome === 'confirmed' ? comparison.final : null
    return { answer: { name: endpoint.name, outcome, detail }, checks, final }
  } catch (error) {
    return unreadBy(endpoint, error instanceof Error ? error.message : 'it gave no answer that could be used')
  }
}

function unreadBy({ name }: Endpoint, detail: string): Answered {
  return { answer: { name, outcome: 'unread', detail }, checks: [], final: null }
}

function detailOf(comparison: Exclude<Comparison, { outcome: 'unread' }>, head: number): string {
  if (comparison.outcome === 'confirmed') return `It confirms the anchor, at block ${head}.`
  return comparison.checks
    .filter(({ ok }) => !ok)
    .map(({ detail }) => detail)
    .join(' ')
}

function combine(anchor: ReceiptAnchor, asked: Answered[], require: number): AnchorReading {
  const endpoints = asked.map(({ answer }) => answer)
  const confirmed = asked.filter(({ answer }) => answer.outcome === 'confirmed')
  const denied = asked.filter(({ answer }) => answer.outcome === 'denied')
  const answered = confirmed.length + denied.length
  if (confirmed.length > 0 && denied.length > 0) {
    const check = failed('endpoints', `The endpoints disagree. ${sayings([...confirmed, ...denied])}`)
    return { outcome: 'disagree', final: null, checks: [check], endpoints }
  }
  if (answered === 0 || answered < require) {
    const check = unread('chain', whyUnread(anchor, asked, answered, require))
    return { outcome: 'unread', final: null, checks: [check], endpoints }
  }
  const first = confirmed[0] ?? denied[0]
  const checks = [chainCheck(anchor, asked, answered), ...(first?.checks ?? [])]
  if (denied.length > 0) return { outcome: 'denied', final: null, checks, endpoints }
  return { outcome: 'confirmed', final: finalByAll(confirmed), checks, endpoints }
}

/** Final only if every endpoint that can tell says so. */
function finalByAll(confirmed: Answered[]): boolean | null {
  const told = confirmed.map(({ final }) => final).filter((final) => final !== null)
  return told.length === 0 ? null : told.every(Boolean)
}

function sayings(asked: Answered[]): string {
  return asked.map(({ answer: { name, detail } }) => `${capital(name)}: ${detail}`).join(' ')
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}

function chainCheck({ chainId }: ReceiptAnchor, asked: Answered[], answered: number): Check {
  const who = asked.filter(({ answer }) => answer.outcome !== 'unread').map(({ answer }) => answer.name)
  const others = asked.length - answered
  const rest = others === 0 ? '' : `; ${others} of ${asked.length} endpoints could not be read`
  return passed(
    'chain',
    `Read from ${who.join(' and ')}, which serve${who.length === 1 ? 's' : ''} ${chainId}${rest}.`,
  )
}

function whyUnread({ chainId }: ReceiptAnchor, asked: Answered[], answered: number, require: number): string {
  if (asked.length === 0) return `The chain could not be read: no RPC endpoint of ${chainId} was given.`
  const faults = asked.map(({ answer: { name, outcome, detail } }) =>
    outcome === 'unread' ? `${name}: ${detail}` : `${name} answered`,
  )
  const quorum = answered === 0 ? '' : ` by ${require} endpoints, as required`
  return `The chain could not be read${quorum}, which says nothing about the receipt: ${faults.join('; ')}.`
}
