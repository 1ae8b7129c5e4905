import { RpcAnswerError, RpcTransportError } from 'holdfast-client/json-rpc'
import { type Ask, askFor, MalformedAnswerError, quantityOf } from 'holdfast-client/rpc-values'
import { HoldfastError } from '../../core/errors.ts'
import type { Metrics } from '../../core/metrics.ts'
import type { Clock, Logger } from '../../core/ports.ts'
import {
  type CallPatience,
  createEndpoint,
  type Endpoint,
  type EndpointHealth,
  endpointNames,
} from './endpoint.ts'
import { rememberAnswers } from './remember-answers.ts'
import { classifySendError, combineOutcomes, type SendOutcome } from './send-outcome.ts'

/** The chain as one endpoint shows it at one moment; a pass asks all of its questions through one view. */
export type ChainView = {
  endpoint: string
  head: number
  /**
   * Repeats calls that failed for a passing reason, until the time of the look is over. Asks each question once: a look
   * sees the chain as it was when it first asked.
   */
  ask: Ask
  /** Repeats only calls over the endpoint's limit: for questions that an error may answer. */
  askOnce: Ask
  /** Looks through others first for a while, where there are others. */
  lookFailed(error: unknown): void
  lookDone(): void
}

export type Endpoints = {
  /**
   * Asks every endpoint for its newest block. Those that answer, the best to look through first: not behind before
   * behind, those that served the last look to its end before those that did not, then the given order.
   * @param except the name of one that is not asked
   * @throws HoldfastError CHAIN_UNAVAILABLE (retry) when none answers, WRONG_CHAIN when those that answer serve another
   */
  views(except?: string): Promise<ChainView[]>
  /**
   * The first of {@link views}.
   * @throws as it does
   */
  view(): Promise<ChainView>
  /** Sends the bytes to every endpoint. One acceptance is enough. */
  send(raw: Buffer): Promise<SendOutcome>
  /** @throws HoldfastError WRONG_CHAIN when any endpoint that answers serves another chain */
  requireChain(): Promise<void>
  health(): EndpointHealth[]
  close(): void
}

/** An endpoint more than this many blocks behind the best one is looked through last. */
const TOLERATED_LAG = 2

export function createEndpoints(options: {
  chainId: number
  rpcUrls: readonly string[]
  timeoutMs: number
  clock: Clock
  logger: Logger
  metrics: Metrics
  random?: () => number
  /** Ms that all calls of one look may take together, the repeated ones included; default 30,000. */
  lookMs?: number
}): Endpoints {
  const { chainId, logger, lookMs = LOOK_MS } = options
  const names = endpointNames(options.rpcUrls)
  const endpoints = options.rpcUrls.map((url, index) =>
    createEndpoint({ ...options, url, name: names[index]!, random: options.random ?? Math.random }),
  )

  async function views(except?: string): Promise<ChainView[]> {
    const asked = endpoints.filter(({ name }) => name !== except)
    if (asked.length === 0) return []
    const alone = endpoints.length === 1
    const answers = await Promise.allSettled(asked.map((each) => viewOf(each, alone, lookMs)))
    const open = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    if (open.length > 0) return bestFirst(open)
    const faults = answers.map((answer) => (answer.status === 'rejected' ? answer.reason : null))
    const wrong = faults.find((fault) => fault instanceof HoldfastError)
    if (wrong !== undefined) throw wrong
    throw new HoldfastError(
      'CHAIN_UNAVAILABLE',
      `No RPC endpoint of chain ${chainId} answers: ${faults.map((fault, i) => `${asked[i]!.name}: ${messageOf(fault)}`).join('; ')}.`,
      { retryAfter: 5, cause: faults[0] },
    )
  }

  return {
    views,
    view: async () => (await views())[0]!,
    async send(raw) {
      const params = [`0x${raw.toString('hex')}`]
      const { longestPauseMs } = endpoints.length === 1 ? ALONE : AMONG_OTHERS
      const patience = { repeats: SENDING.repeats, longestPauseMs, leftMs: timeOf(SENDING.withinMs) }
      const outcomes = await Promise.all(endpoints.map((each) => sendTo(each, params, patience)))
      return combineOutcomes(outcomes)
    },
    async requireChain() {
      const answers = await Promise.allSettled(endpoints.map((endpoint) => endpoint.requireChain()))
      for (const answer of answers) {
        if (answer.status === 'fulfilled') continue
        if (answer.reason instanceof HoldfastError) throw answer.reason
        logger.warn({ err: answer.reason, chainId }, 'rpc endpoint does not answer at start')
      }
    },
    health: () => endpoints.map((endpoint) => endpoint.health()),
    close() {
      for (const endpoint of endpoints) endpoint.close()
    },
  }
}

const LOOK_MS = 30_000
/** A single endpoint is waited for. */
const ALONE = {
  finding: { limited: 6, flaky: 4 },
  looking: { limited: 6, flaky: 6, silent: 1 },
  longestPauseMs: 15_000,
}
/** Where there are others, they are asked sooner than one is waited for. */
const AMONG_OTHERS = {
  finding: { limited: 1, flaky: 2 },
  looking: { limited: 4, flaky: 4 },
  longestPauseMs: 2_000,
}
/** The same bytes may be sent again; only an endpoint that did not look at them is asked at once to do so. */
const SENDING = { repeats: { limited: 4 }, withinMs: 15_000 }

/** Ms left of `ms` since it was first asked. */
function timeOf(ms: number): () => number {
  let endsAt: number | undefined
  return () => {
    endsAt ??= performance.now() + ms
    return endsAt - performance.now()
  }
}

type RankedView = ChainView & { setAside: boolean }

function bestFirst(views: readonly RankedView[]): RankedView[] {
  const best = views.reduce((head, view) => Math.max(head, view.head), 0)
  const rank = (view: RankedView) => (view.head < best - TOLERATED_LAG ? 2 : 0) + (view.setAside ? 1 : 0)
  return [...views].sort((a, b) => rank(a) - rank(b))
}

async function viewOf(endpoint: Endpoint, alone: boolean, lookMs: number): Promise<RankedView> {
  const { name, lookFailed, lookDone } = endpoint
  const { finding, looking, longestPauseMs } = alone ? ALONE : AMONG_OTHERS
  const patiently = (repeats: CallPatience['repeats'], leftMs: () => number): Ask => {
    const patience = { repeats, longestPauseMs, leftMs }
    return (method, params) => endpoint.call(method, params, patience)
  }
  const leftMs = timeOf(lookMs)
  try {
    const head = await askFor(patiently(finding, timeOf(lookMs)), 'eth_blockNumber', [], quantityOf)
    endpoint.sawHead(head)
    return {
      endpoint: name,
      head,
      ask: rememberAnswers(patiently(looking, leftMs)),
      askOnce: patiently({ limited: 3 }, leftMs),
      lookFailed,
      lookDone,
      setAside: endpoint.isSetAside(),
    }
  } catch (error) {
    if (error instanceof RpcAnswerError || error instanceof MalformedAnswerError) lookFailed(error)
    throw error
  }
}

async function sendTo(
  endpoint: Endpoint,
  params: readonly unknown[],
  patience: CallPatience,
): Promise<SendOutcome> {
  try {
    await endpoint.call('eth_sendRawTransaction', params, patience)
    return { kind: 'accepted' }
  } catch (error) {
    // An endpoint of another chain, or one that backs off or cannot be connected to, has not seen the bytes.
    if (error instanceof HoldfastError || (error instanceof RpcTransportError && !error.sent)) {
      return { kind: 'unsent', message: messageOf(error) }
    }
    return classifySendError(error)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
