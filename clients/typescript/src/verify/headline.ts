/** The verdict in a sentence or more, with everything that was not looked at. */
import type { Demand, Gaps } from './conclude.ts'
import type { EndpointAnswer, Verification, VerifiedAnchor } from './verification.ts'

type Facts = Omit<Verification, 'headline' | 'stated'>

export function headlineOf(
  facts: Facts,
  { demand, gaps, publishers }: { demand: Demand; gaps: Gaps; publishers: readonly string[] },
): string {
  const sentences = [verdictSentence(facts, demand), ...notReadSentences(facts)]
  if (facts.verdict === 'anchored') {
    sentences.push(endpointsSentence(facts.anchors))
    if (gaps.subject) sentences.push('No document, record or hash was given to compare with.')
    if (gaps.publisher) sentences.push(`Nobody named the publisher: ${unique(publishers).join(' and ')}.`)
  }
  return sentences.filter((sentence) => sentence !== '').join(' ')
}

function verdictSentence(facts: Facts, demand: Demand): string {
  const by = demand.byMs === null ? '' : new Date(demand.byMs).toISOString()
  switch (facts.reason) {
    case null:
      return `${validWord(facts)}: ${existence(facts)}.`
    case 'endpoints_disagree':
      return `CONTRADICTED: ${detailOf(facts, 'endpoints')}`
    case 'not_final':
      return `NOT FINAL YET: ${existence(facts)}. Check again later.`
    case 'late':
      return `NOT VALID: ${existence(facts)}, which is after ${by}.`
    case 'unread':
      if (facts.verdict === 'anchored')
        return `UNDECIDED: ${existence(facts)}; no anchor by ${by} could be read.`
      return `UNDECIDED: ${chainsOf(facts.anchors, 'unread')} was not read; try again, or name another endpoint.`
    default:
      return `NOT VALID: ${firstFailure(facts)}`
  }
}

function validWord({ anchors }: Facts): string {
  const confirmed = anchors.filter(({ ok }) => ok).length
  if (confirmed === anchors.length) return 'VALID'
  const rest = unique(anchors.filter(({ ok }) => !ok).map(({ chainId }) => chainId))
  return `VALID on ${confirmed} of ${anchors.length} anchors; ${rest.join(' and ')} was not read`
}

function existence({ hash, anchors, final }: Facts): string {
  const confirmed = anchors.filter(({ ok }) => ok)
  const [first] = confirmed.map(({ blockTime }) => blockTime).sort()
  const chains = unique(confirmed.map(({ chainId }) => chainId)).join(' and ')
  return `${hash} existed by ${first} on ${chains}, ${final ? 'final' : 'not final yet'}`
}

/** Why anchors beside a confirmed one count for nothing. */
function notReadSentences({ verdict, anchors, checks }: Facts): string[] {
  if (verdict !== 'anchored' && verdict !== 'unknown') return []
  return anchors.flatMap(({ outcome, chainId }, i) => {
    const name = outcome === 'refused' ? 'registry' : outcome === 'unread' ? 'chain' : null
    const check = name === null ? undefined : checks.find((one) => one.name === `anchors[${i}].${name}`)
    return check === undefined ? [] : [`${chainId}: ${check.detail}`]
  })
}

function endpointsSentence(anchors: readonly VerifiedAnchor[]): string {
  const answers = new Map<string, EndpointAnswer>()
  for (const { chainId, ok, endpoints } of anchors) {
    if (ok) for (const answer of endpoints) answers.set(`${chainId} ${answer.name}`, answer)
  }
  const all = [...answers.values()]
  const silent = all.filter(({ outcome }) => outcome === 'unread')
  const count = `Asked ${all.length} endpoint${all.length === 1 ? '' : 's'}`
  if (silent.length === 0) return all.length === 0 ? '' : `${count}.`
  return `${count}; not read: ${silent.map(({ name, detail }) => `${name}: ${detail}`).join('; ')}.`
}

function firstFailure({ checks, anchors }: Facts): string {
  const failure = checks.find(({ state }) => state === 'failed')
  if (failure === undefined) return 'no check passed.'
  const place = /^anchors\[(\d+)\]/.exec(failure.name)?.[1]
  const chain = place === undefined ? '' : `${anchors[Number(place)]?.chainId}: `
  return chain + failure.detail
}

function detailOf({ checks }: Facts, name: string): string {
  return checks.find((check) => check.name.endsWith(`.${name}`))?.detail ?? ''
}

function chainsOf(anchors: readonly VerifiedAnchor[], outcome: string): string {
  return unique(anchors.filter((anchor) => anchor.outcome === outcome).map(({ chainId }) => chainId)).join(
    ' and ',
  )
}

function unique(texts: readonly string[]): readonly string[] {
  return texts.length < 2 ? texts : [...new Set(texts)]
}
